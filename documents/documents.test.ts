/** The documents in docs/ are what the code gives, and what the running services do. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Parser } from '@asyncapi/parser';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { EVENTS } from '@stream-processing/contracts/events.ts';
import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import { schemaOf } from '@stream-processing/runtime/sql.ts';
import { describe, expect, test } from 'vitest';
import { shareInstallation } from '../test/shared-installation.ts';
import { allowsBreaking, breakingChanges } from './breaking.ts';
import { clientFiles, createDocuments, filesOf, pictureFiles, plain, readDocuments } from './files.ts';
import { messagesOf } from './messages.ts';
import { inlined } from './references.ts';

const root = path.dirname(import.meta.dirname);
const committed = (file: string) => readFileSync(path.join(root, file), 'utf8');
const documents = await createDocuments();
const files = [...filesOf(documents, 'docs'), ...(await clientFiles(documents)), ...pictureFiles()];

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
  const { channels } = inlined(plain(documents.asyncapi));
  const messages = messagesOf(documents.asyncapi);
  /** By name of the event: a table's row as a message. */
  const rows = new Map(
    messages.flatMap((each) => (each.channel.endsWith('Topic') ? [] : [[each.name, each]])),
  );

  test('no finding of its parser', async () => {
    const { document, diagnostics } = await new Parser().parse(committed('docs/asyncapi.yaml'));
    expect(diagnostics.map(({ code, message, path }) => [code, message, path.join('.')])).toEqual([]);
    expect(document?.allChannels().all()).toHaveLength(6);
  });

  test('every event is told as a row and as a record, each with an example that matches its schemas', () => {
    const events = Object.values(EVENTS).flatMap((own) => Object.keys(own));
    expect([...rows.keys()].sort()).toEqual(events.sort());
    const records = messages.filter(({ channel }) => channel.endsWith('Topic'));
    const topics = Object.keys(EVENTS).map(() => 'LogEnd');
    expect(records.map(({ name }) => name).sort()).toEqual([...events, ...topics].sort());
    for (const { name, findings, examples } of messages) {
      expect(examples.length).toBeGreaterThan(0);
      for (const example of examples)
        expect({ name, findings: findings(example) }).toEqual({ name, findings: [] });
    }
  });

  describe('and the running services', () => {
    const shared = shareInstallation();

    test('their logs hold the events as they are described, all kinds of them, at the address that is given', async () => {
      const user_id = await shared.api.userWith(100);
      for (const price of [30, 5000]) expect((await shared.api.order(user_id, price)).status).toBe(201);
      const seen = new Set<string>();
      for (const { address } of Object.values(channels).filter((each) => !each.parameters)) {
        const found = await shared.sql.unsafe(`select to_jsonb(row)::text as event from ${address} as row`);
        for (const { event } of found as unknown as { event: string }[]) {
          const { data, ...headers } = JSON.parse(event);
          const findings = rows.get(headers.type)!.findings({ headers, payload: data });
          expect({ headers, findings }).toEqual({ headers, findings: [] });
          seen.add(headers.type);
        }
      }
      expect([...seen].sort()).toEqual([...rows.keys()].sort());
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
