import { SERVICES } from '@stream-processing/contracts/names.ts';
import { PROBLEMS } from '@stream-processing/contracts/problems.ts';
import { describe, expect, test } from 'vitest';
import { OPERATIONS, ROUTES } from './routes.ts';
import { shareInstallation } from './shared-installation.ts';

interface Described {
  description: string;
  content: Record<string, { schema: object }>;
}
interface Operation {
  tags: string[];
  summary: string;
  requestBody?: { required?: boolean; content: object };
  parameters?: { name: string; in: string; required?: boolean }[];
  responses: Record<string, Described>;
}
interface OpenApi {
  openapi: string;
  info: { title: string; description: string; version: string };
  paths: Record<string, Record<string, Operation>>;
}

const shared = shareInstallation();

describe.each(SERVICES)('the OpenAPI document of %s', (service) => {
  const routes = ROUTES.filter((route) => route.service === service);
  const read = async () => (await shared.api.get<OpenApi>(service, '/openapi.json')).body;

  test('names every route of the contract and no other', async () => {
    const { openapi, info, paths } = await read();
    expect(openapi).toMatch(/^3\.1\./);
    expect(info).toEqual({
      title: service,
      description: expect.stringMatching(/\w/),
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      license: { name: 'MIT', identifier: 'MIT' },
    });
    expect(Object.keys(paths).sort()).toEqual(routes.map((route) => route.path).sort());
    for (const operation of OPERATIONS) expect(paths).not.toHaveProperty([operation]);
  });

  test.each(routes)('says everything that $path can answer', async ({ path, methods }) => {
    const { paths } = await read();
    const expected = Object.entries(methods).map(([method, statuses]) => [
      method.toLowerCase(),
      statuses.map(String),
    ]);
    const found = Object.entries(paths[path]!).map(([method, { responses }]) => [
      method,
      Object.keys(responses).sort(),
    ]);
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected));
    for (const { summary, tags, responses } of Object.values(paths[path]!)) {
      expect(summary).toMatch(/\w/);
      expect(tags).toHaveLength(1);
      for (const [status, { description, content }] of Object.entries(responses)) {
        const type = Number(status) < 400 ? 'application/json' : 'application/problem+json';
        expect(Object.keys(content)).toEqual([type]);
        const codes = [...description.matchAll(/`(\w+)`:/g)].map(([, code]) => code as keyof typeof PROBLEMS);
        expect(codes.map((code) => PROBLEMS[code].status)).toEqual(codes.map(() => Number(status)));
        if (Number(status) >= 400) expect(codes).not.toEqual([]);
      }
    }
  });

  test.each(routes.filter((route) => route.methods.POST))('says what POST $path takes', async ({ path }) => {
    const { requestBody, parameters } = (await read()).paths[path]!.post!;
    expect(requestBody?.required).toBe(true);
    expect(Object.keys(requestBody!.content)).toEqual(['application/json']);
    expect(parameters).toContainEqual(
      expect.objectContaining({ name: 'idempotency-key', in: 'header', required: false }),
    );
  });

  test('asks in GET for nothing but what the query and the path may hold', async () => {
    for (const { get } of Object.values((await read()).paths)) {
      for (const parameter of get?.parameters ?? []) {
        expect(['path', 'query']).toContain(parameter.in);
        expect(parameter.required ?? false).toBe(parameter.in === 'path' || parameter.name === 'user_id');
      }
    }
  });
});
