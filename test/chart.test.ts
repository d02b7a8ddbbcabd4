/** What the chart, the gateway and the image say of one another without being run; `npm run test:containers` runs them. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { SERVICES } from '@stream-processing/contracts/names.ts';
import { PROBLEMS } from '@stream-processing/contracts/problems.ts';
import { readConfig } from '@stream-processing/runtime/config.ts';
import { connect } from '@stream-processing/runtime/sql.ts';
import { expect, inject, onTestFinished, test } from 'vitest';
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

test('the databases of Compose and of the chart sort as the embedded one does, whatever their image brings', async () => {
  const sql = connect(inject('postgresUrl'), { max: 1, name: 'test', schema: 'public' });
  onTestFinished(() => sql.end());
  const [embedded] = await sql`
    select pg_encoding_to_char(encoding) as encoding, datlocprovider, datlocale, datcollate, datctype
    from pg_database where datname = current_database()`;
  const [datlocale, datcollate, datctype] = ['C.UTF-8', 'C', 'C'];
  expect(embedded).toEqual({ encoding: 'UTF8', datlocprovider: 'b', datlocale, datcollate, datctype });
  const script = text('helm/files/create-role.sh').replace(/\s+/g, ' ');
  const sorted = `encoding 'UTF8' locale_provider builtin builtin_locale '${datlocale}' locale '${datcollate}'`;
  expect(script).toContain(
    `database stream_processing owner stream_processing template template0 ${sorted};`,
  );
  // That provider came with 17.
  const { services } = parse(text('docker-compose.yml'), { merge: true });
  const { postgres } = parse(text('helm/values.yaml'));
  const versions = [services.postgres.image, `${postgres.image.repository}:${postgres.image.tag}`];
  for (const image of versions)
    expect(Number(/^postgres:(\d+)$/.exec(image)?.[1])).toBeGreaterThanOrEqual(17);
});

test('the gateway keeps connections to every service, and ends them before the service does', () => {
  const conf = text('gateway/nginx.conf');
  const number = (pattern: RegExp, of = conf) => Number(pattern.exec(of)?.[1]?.replaceAll('_', ''));
  const upstreams = [...conf.matchAll(/^ +upstream (\S+) \{\n([^}]+)\}/gm)];
  const { ports } = readConfig({});
  expect(upstreams.map(([, name]) => name)).toEqual(SERVICES);
  const routed = [...conf.matchAll(/^ +~\^\S+ +(\S+);$/gm)].map(([, name]) => name);
  expect([...new Set(routed)].sort()).toEqual([...SERVICES].sort());
  const kept_s = number(/const KEEP_ALIVE_MS = ([\d_]+);/, text('runtime/http.ts')) / 1000;
  for (const [, name, lines] of upstreams) {
    // Anew: with an address that was asked for once, a container that comes back elsewhere would not be found.
    expect(lines).toContain(`server ${name}:${ports[name as keyof typeof ports]} resolve;`);
    expect(number(/ keepalive_timeout (\d+)s;/, lines)).toBeLessThan(kept_s);
  }
  const kept = upstreams.map(([, , lines]) => number(/ keepalive (\d+);/, lines));
  const all = number(/ worker_connections (\d+);/);
  // Half at least for those that are in use: nginx ends none that is kept to make room.
  expect(kept.reduce((a, b) => a + b)).toBeLessThanOrEqual(all / 2);
  expect(number(/^worker_rlimit_nofile (\d+);/m)).toBeGreaterThan(all);
  // Without these two there is one request for a connection, whatever an upstream says.
  expect(conf).toMatch(/ proxy_http_version 1\.1;\n +proxy_set_header Connection "";/);
  // No `non_idempotent`: a POST that the service may have read is not sent again.
  expect(conf.match(/proxy_next_upstream .+/g)).toEqual(['proxy_next_upstream error;']);
  const [, minor] = /^nginx:1\.(\d+)$/.exec(parse(text('docker-compose.yml')).services.gateway.image)!;
  expect(Number(minor), 'older ones do not know `resolve`').toBeGreaterThanOrEqual(28);
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
