/** What the chart, the gateway and the image say of one another without being run; `npm run test:containers` runs them. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { SERVICES } from '@stream-processing/contracts/names.ts';
import { PROBLEMS } from '@stream-processing/contracts/problems.ts';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { valuesOf, withTable } from '../containers/chart-readme.ts';
import { KAFKA_VERSION } from '../kafka/jars.ts';
import manifest from '../package.json' with { type: 'json' };

const root = path.join(import.meta.dirname, '..');
const text = (file: string) => readFileSync(path.join(root, file), 'utf8');
const values = valuesOf(text('helm/values.yaml'));

interface Schema {
  type?: string;
  additionalProperties?: unknown;
  properties?: Record<string, Schema>;
}

/** `image.tag` for every key of a tree; what has no keys, or free ones, is a leaf. */
function leaves(tree: object, isLeaf: (value: unknown) => boolean, above = ''): string[] {
  return Object.entries(tree).flatMap(([key, value]) =>
    isLeaf(value) ? above + key : leaves(value, isLeaf, `${above}${key}.`),
  );
}

test('every value is explained, and the table in helm/README.md says the same (npm run chart:readme)', () => {
  expect(values.length).toBeGreaterThan(50);
  expect(values.filter((value) => value.meaning === undefined)).toEqual([]);
  expect(withTable(text('helm/README.md'), values)).toBe(text('helm/README.md'));
});

test('the schema knows the values that are there and no others, down to the last', () => {
  const schema: Schema = JSON.parse(text('helm/values.schema.json'));
  const keysOf = ({ properties }: Schema): object =>
    Object.fromEntries(
      Object.entries(properties!).map(([key, of]) => [key, of.properties ? keysOf(of) : of]),
    );
  const { global: _global, ...known } = keysOf(schema) as Record<string, object>;
  // Their parts are those of the values for all services, and as optional.
  const isPart = (name: string) => /^(services\.|resources\.|postgres\.resources\.)/.test(name);
  const inSchema = leaves(
    known,
    (value) => !Object.values(value as object).every((of) => typeof of === 'object'),
  );
  const inValues = leaves(
    parse(text('helm/values.yaml')),
    (value) => typeof value !== 'object' || Array.isArray(value) || Object.keys(value as object).length === 0,
  );
  const sorted = (names: string[]) => names.filter((name) => !isPart(name)).sort();
  expect(sorted(inSchema)).toEqual(sorted(inValues));
  const open = (of: Schema): boolean =>
    of.properties !== undefined &&
    (of.additionalProperties !== false || Object.values(of.properties).some((part) => open(part)));
  const objects = Object.entries(schema.properties!).filter(([, of]) => open(of));
  expect(objects).toEqual([]);
});

test('chart, package and image are of one version', () => {
  const chart = parse(text('helm/Chart.yaml'));
  const [, image] = /org\.opencontainers\.image\.version="([^"]+)"/.exec(text('Dockerfile'))!;
  expect([chart.version, chart.appVersion, image]).toEqual(Array(3).fill(manifest.version));
});

test('the broker of Compose is of the version that is tested, and only its profile brings it', () => {
  const { services } = parse(text('docker-compose.yml'), { merge: true });
  expect(services.kafka).toMatchObject({ image: `apache/kafka:${KAFKA_VERSION}`, profiles: ['kafka'] });
  const bringers = Object.keys(services).filter((name) => services[name].depends_on?.kafka);
  expect(bringers).toEqual([]);
  for (const service of SERVICES) expect(services[service].environment.EVENT_LOG).toMatch(/:-postgres}$/);
});

test('the gateway’s own refusals are those of the table', () => {
  const bodies = [...text('gateway/nginx.conf').matchAll(/return (\d+) '(\{.+\})';/g)];
  expect(bodies).toHaveLength(3);
  for (const [, status, body] of bodies) {
    const problem = JSON.parse(body!);
    const { title, status: expected } = PROBLEMS[problem.code as keyof typeof PROBLEMS];
    expect({ ...problem, sent: Number(status) }).toMatchObject({
      type: `urn:problem:${problem.code}`,
      title,
      status: expected,
      sent: expected,
    });
  }
});
