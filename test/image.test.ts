/** The programs of the image beside the services, run as the image runs them. */
import { readFileSync } from 'node:fs';
import { SERVICES } from '@stream-processing/contracts/names.ts';
import { readConfig } from '@stream-processing/runtime/config.ts';
import { expect, test } from 'vitest';
import { run } from './processes.ts';
import { shareInstallation } from './shared-installation.ts';

const shared = shareInstallation();
const MAIN = 'image/main.ts';

async function program(args: string[], env: Record<string, string> = {}) {
  const running = run(MAIN, env, args);
  return { code: await running.ended, output: running.output() };
}

test('scenario passes at the four services, line by line', async () => {
  const urls = SERVICES.map((service) => shared.urls[service]);
  const { code, output } = await program(['scenario', ...urls]);
  expect(output).toMatch(/^(ok: .+\n){11}the scenario passed\n$/);
  expect(code).toBe(0);
});

test('scenario says what is wrong: a service in another’s place, nobody there, no address', async () => {
  const [user, billing, notification] = SERVICES.map((service) => shared.urls[service]);
  const mixed = await program(['scenario', user!, billing!, notification!, user!]);
  expect(mixed).toMatchObject({ code: 1, output: expect.stringMatching(/\/orders: 404 .*route_not_found/) });
  const nobody = await program(['scenario', 'http://127.0.0.1:9']);
  expect(nobody).toMatchObject({
    code: 1,
    output: expect.stringContaining('POST http://127.0.0.1:9/users: '),
  });
  for (const args of [[], ['localhost'], [user!, billing!]]) {
    expect(await program(['scenario', ...args])).toMatchObject({
      code: 2,
      output: expect.stringMatching(/^usage: /),
    });
  }
});

test('health tells ready from not ready, and knows the services and their ports', async () => {
  const ports = Object.fromEntries(
    SERVICES.map((service) => [
      `${service.replace('-service', '').toUpperCase()}_PORT`,
      new URL(shared.urls[service]).port,
    ]),
  );
  for (const service of SERVICES)
    expect(await program(['health', service], ports)).toEqual({ code: 0, output: 'ready\n' });
  const elsewhere = { ...ports, ORDER_PORT: '9' };
  expect(await program(['health'], elsewhere)).toMatchObject({ code: 0 });
  expect(await program(['health', 'order-service'], elsewhere)).toEqual({
    code: 1,
    output: 'order-service: not ready\n',
  });
  expect(await program(['health', 'shop'])).toMatchObject({ code: 2 });
  // Its own table of ports, so that it need not load the configuration.
  const { ports: usual } = readConfig({});
  const source = readFileSync(new URL('../image/health.ts', import.meta.url), 'utf8');
  for (const service of SERVICES)
    expect(source).toMatch(new RegExp(`'${service}': \\w+_PORT \\?\\? '${usual[service]}'`));
});

test('audit looks at the databases that services are told of', async () => {
  const env = { DATABASE_URL: shared.databaseUrl };
  const looked = await program(['audit'], env);
  expect(looked).toMatchObject({ code: 0, output: expect.stringMatching(/\n\d+ invariants hold\n$/) });
  expect(await program(['audit', '--all'], env)).toMatchObject({
    code: 2,
    output: expect.stringMatching(/--all[\s\S]*\naudit --help tells what there is\n$/),
  });
  // Not 1: nothing was found wrong.
  expect(await program(['audit'], { DATABASE_URL: 'postgres://x:y@127.0.0.1:1/none' })).toMatchObject({
    code: 2,
    output: expect.stringMatching(/^the databases: does not answer \(ECONNREFUSED\)\n/),
  });
  expect(await program(['audit'])).toMatchObject({
    code: 2,
    output: expect.stringMatching(/^DATABASE_URL is missing: /),
  });
});

test('a program that is not there is refused, with those that are', async () => {
  expect(await program(['orders'])).toMatchObject({
    code: 2,
    output: expect.stringMatching(/^there is no program orders\n[\s\S]*order-service/),
  });
  expect(await program(['toString'])).toMatchObject({ code: 2 });
  expect(await program(['--help'])).toMatchObject({ code: 0, output: expect.stringMatching(/^usage: /) });
});
