/** The documents in docs/ are what the code gives, and what the running services do. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Parser } from '@asyncapi/parser';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { EVENTS } from '@stream-processing/contracts/events.ts';
import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import { schemaOf } from '@stream-processing/runtime/sql.ts';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { describe, expect, test } from 'vitest';
import { shareInstallation } from '../test/shared-installation.ts';
import { allowsBreaking, breakingChanges } from './breaking.ts';
import { clientFiles, createDocuments, filesOf, pictureFiles, plain, readDocuments } from './files.ts';
import { inlined } from './references.ts';

const root = path.dirname(import.meta.dirname);
const committed = (file: string) => readFileSync(path.join(root, file), 'utf8');
const documents = await createDocuments();
const files = [...filesOf(documents, 'docs'), ...(await clientFiles(documents)), ...pictureFiles()];
const ajv = new Ajv2020({ allErrors: true, strict: true, strictTypes: false });
// @ts-expect-error: its types know the default export of CommonJS alone.
addFormats(ajv);

test.each(files)('%s is what the code gives', (file, text) => {
  expect(committed(file), 'run: npm run documents').toBe(text);
});

test('what breaks consumers of the last release comes with a version that says so', async () => {
  const released = await readDocuments('documents/released');
  for (const service of SERVICES) {
    expect(documents.openapi[service].info.version).toBe(documents.asyncapi.info.version);
    expect(released.openapi[service].info.version).toBe(released.asyncapi.info.version);
  }
  const changes = breakingChanges(released, documents);
  if (allowsBreaking(released.asyncapi.info.version, documents.asyncapi.info.version)) return;
  expect(changes, 'take it back, or raise the version in runtime/package.json').toEqual([]);
});

const EXCEPTIONS = {
  // `npm start` is at localhost.
  'no-server-example.com': 'off',
  // GET /trial-balance takes nothing that could be wrong.
  'operation-4xx-response': 'off',
} as const;

test.each(SERVICES)('OpenAPI of %s: no finding of the linter', async (service) => {
  const config = await createConfig({ extends: ['recommended-strict'], rules: EXCEPTIONS });
  const source = committed(`docs/openapi/${service}.yaml`);
  const findings = await lintFromString({ source, config, absoluteRef: `/${service}.yaml` });
  expect(findings.map(({ ruleId, message, location }) => [ruleId, message, location[0]?.pointer])).toEqual(
    [],
  );
});

describe('AsyncAPI', () => {
  const { channels, components } = inlined(plain(documents.asyncapi));
  type Example = { headers: object; payload: object };
  const messages = Object.entries(components.messages).map(([name, message]) => ({
    name,
    isValid: ajv.compile({
      type: 'object',
      required: ['headers', 'payload'],
      properties: { headers: message.headers, payload: message.payload },
    }),
    examples: message.examples as Example[],
  }));

  test('no finding of its parser', async () => {
    const { document, diagnostics } = await new Parser().parse(committed('docs/asyncapi.yaml'));
    expect(diagnostics.map(({ code, message, path }) => [code, message, path.join('.')])).toEqual([]);
    expect(document?.allMessages().all()).toHaveLength(messages.length);
  });

  test('every event has an example, which matches its schemas', () => {
    const events = Object.values(EVENTS).flatMap((own) => Object.keys(own));
    expect(messages.map(({ name }) => name).sort()).toEqual(events.sort());
    for (const { name, isValid, examples } of messages) {
      expect(examples.length).toBeGreaterThan(0);
      for (const example of examples) {
        isValid(example);
        expect({ name, errors: isValid.errors }).toEqual({ name, errors: null });
      }
    }
  });

  describe('and the running services', () => {
    const shared = shareInstallation();

    test('their logs hold the events as they are described, all kinds of them, at the address that is given', async () => {
      const user_id = await shared.api.userWith(100);
      for (const price of [30, 5000]) expect((await shared.api.order(user_id, price)).status).toBe(201);
      const seen = new Set<string>();
      for (const { address } of Object.values(channels)) {
        const rows = await shared.sql.unsafe(`select to_jsonb(row)::text as event from ${address} as row`);
        for (const { event } of rows as unknown as { event: string }[]) {
          const { data, ...headers } = JSON.parse(event);
          const { isValid } = messages.find(({ name }) => name === headers.type)!;
          isValid({ headers, payload: data });
          expect({ headers, errors: isValid.errors }).toEqual({ headers, errors: null });
          seen.add(headers.type);
        }
      }
      expect([...seen].sort()).toEqual(messages.map(({ name }) => name).sort());
    });

    test('who has no channel has said nothing', async () => {
      for (const service of SERVICES.filter((name) => !(name in EVENTS))) {
        const [row] = await shared.sql.unsafe(`select count(*)::int as events from ${schemaOf(service)}.log`);
        expect(row).toEqual({ events: 0 });
      }
    });

    test.each(SERVICES)('%s serves its file of docs/openapi/', async (service: ServiceName) => {
      const { body } = await shared.api.get(service, '/openapi.json');
      const { servers, ...file } = plain(documents.openapi[service]) as object & { servers?: unknown };
      expect(body).toEqual(file);
      expect(servers).toEqual([expect.objectContaining({ url: expect.stringMatching(/^http:.*:800\d$/) })]);
    });
  });
});
