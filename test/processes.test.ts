/** The four services as processes of their own. */
import { type AddressInfo, connect, createServer } from 'node:net';
import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import { settingOf } from '@stream-processing/runtime/config.ts';
import { expect, onTestFinished, test } from 'vitest';
import { Api } from './api.ts';
import { createDatabase } from './database.ts';
import { line, run, startAll, startService, urlsOf } from './processes.ts';
import { until } from './until.ts';

test('with two instances of each service, every reply is seen by the very next request at any other', async () => {
  const url = await createDatabase();
  const [first, second] = (await Promise.all([startAll(url), startAll(url)])).map(
    (services) => new Api(urlsOf(services)),
  );
  const once = async (write: Api, read: Api) => {
    const { body: user } = await write.createUser();
    const account = await read.account(user.id);
    const order = await read.order(user.id, 1);
    const letters = await write.letters(user.id);
    return {
      account: `${account.status} ${account.body.balance}`,
      order: `${order.status} ${order.body.status}`,
      letters: letters.map((letter) => letter.body === order.body.message),
    };
  };
  const lane = async (write: Api, read: Api) => {
    const seen = [];
    for (let i = 0; i < 50; i += 1) seen.push(await once(write, read));
    return seen;
  };
  const lanes = Array.from({ length: 20 }, (_, i) => (i % 2 ? lane(first!, second!) : lane(second!, first!)));
  const seen = (await Promise.all(lanes)).flat();
  const expected = { account: '200 0', order: '201 failed', letters: [true] };
  expect(seen.filter((one) => JSON.stringify(one) !== JSON.stringify(expected))).toEqual([]);
  expect(seen).toHaveLength(1000);
});

test.each(SERVICES)(
  'kill -9 of %s under load and a new start: what was replied holds, the rest ends well',
  async (victim) => {
    const databaseUrl = await createDatabase();
    const services = await startAll(databaseUrl);
    const api = new Api(urlsOf(services));
    const users = await Promise.all(Array.from({ length: 20 }, () => api.userWith(100)));
    const told: { id: number; user_id: number; status: string; message: string | null }[] = [];
    let stop = false;
    const caller = async (user_id: number) => {
      while (!stop) {
        const answer = await api.order(user_id, 3, { prefer: 'wait=2' }).catch(() => undefined);
        if (answer && answer.status < 300) told.push(answer.body);
      }
    };
    const load = users.map(caller);
    await until('100 orders are told', () => told.length > 100);
    services[victim].child.kill('SIGKILL');
    await services[victim].ended;
    const again = await startService(victim, databaseUrl, {
      [settingOf(victim, 'PORT')]: new URL(services[victim].url).port,
    });
    const before = told.length;
    await until('orders go on', () => told.length > before + 100);
    stop = true;
    await Promise.all(load);

    const orders = new Map(
      (await Promise.all(users.map((id) => api.all('order-service', `/orders?user_id=${id}`))))
        .flat()
        .map((o) => [o.id, o]),
    );
    expect([...orders.values()].filter((order) => order.status === 'pending')).toEqual([]);
    for (const order of told) {
      const now = orders.get(order.id);
      expect(now).toMatchObject(order.status === 'pending' ? { user_id: order.user_id } : order);
    }
    for (const user_id of users) {
      const mine = [...orders.values()].filter((order) => order.user_id === user_id);
      const confirmed = mine.filter((order) => order.status === 'confirmed');
      const letters = await api.letters(user_id);
      expect(letters.map((letter) => letter.order_id).sort()).toEqual(mine.map((order) => order.id).sort());
      expect(new Map(letters.map((l) => [l.order_id, l.body]))).toEqual(
        new Map(mine.map((o) => [o.id, o.message])),
      );
      expect((await api.account(user_id)).body.balance).toBe(100 - 3 * confirmed.length);
    }
    expect((await api.get('billing-service', '/trial-balance')).body).toMatchObject({
      balanced: true,
      sum: 0,
    });
    expect(again.output()).not.toMatch(/partition stopped/);
  },
);

test('SIGTERM lets a service finish what it accepted, and ends it with exit code 0', async () => {
  const databaseUrl = await createDatabase();
  const services = await startAll(databaseUrl);
  const api = new Api(urlsOf(services));
  const user_id = await api.userWith(1000);
  // Without billing the orders stay pending, so that the requests are still waiting when the signal comes.
  services['billing-service'].child.kill('SIGSTOP');
  const orders = Array.from({ length: 20 }, () => api.order(user_id, 1, { prefer: 'wait=20' }));
  // No list yet, but 404, as long as order-service has not heard of the user.
  const placed = async () =>
    (await api.get('order-service', `/orders?user_id=${user_id}&consistency=eventual`)).body.items?.length;
  await until('20 orders are placed', async () => (await placed()) === 20);
  // One wish to stop, as it arrives from a terminal that is closed: from there, and twice from those in between.
  for (const signal of ['SIGHUP', 'SIGTERM', 'SIGTERM'] as const)
    services['order-service'].child.kill(signal);
  await until(
    'no new request is taken',
    async () => (await api.get('order-service', '/health/live').catch(() => undefined))?.status !== 200,
  );
  services['billing-service'].child.kill('SIGCONT');
  const answers = await Promise.all(orders);
  expect(answers.map((answer) => `${answer.status} ${answer.body.status}`)).toEqual(
    Array(20).fill('201 confirmed'),
  );
  expect(await services['order-service'].ended).toBe(0);
});

test('one request id finds an order in the logs of all services that had to do with it', async () => {
  const databaseUrl = await createDatabase();
  const services = await startAll(databaseUrl, { LOG_LEVEL: 'debug' });
  const api = new Api(urlsOf(services));
  const user_id = await api.userWith(10);
  const id = '4bf92f3577b34da6a3ce929d0e0e4736';
  const reply = await api.order(user_id, 1, { traceparent: `00-${id}-00f067aa0ba902b7-01` });
  expect(reply.headers.get('x-request-id')).toBe(id);
  await api.letters(user_id);
  const told = (name: ServiceName) =>
    services[name]
      .output()
      .split('\n')
      .filter((text) => text.includes(`"request_id":"${id}"`))
      .map((text) => JSON.parse(text));
  await until('billing tells of the order', () => told('billing-service').length > 0);
  await until('the letter is told of', () => told('notification-service').length > 0);
  await until('the request is told of', () => told('order-service').length > 1);
  expect(told('billing-service')).toMatchObject([{ msg: 'event applied', type: 'OrderPlaced', user_id }]);
  expect(told('notification-service')).toMatchObject([
    { msg: 'event applied', type: 'PaymentCompleted', user_id },
  ]);
  expect(
    told('order-service')
      .map((text) => text.msg)
      .sort(),
  ).toEqual(['event applied', 'request answered']);
});

test('a bad setting, a taken port and a database that does not answer each give one clear line and exit code 1', async () => {
  const databaseUrl = await createDatabase();
  const service = await startService('user-service', databaseUrl);
  const taken = new URL(service.url).port;
  const cases: [Record<string, string>, RegExp][] = [
    [
      { DATABASE_URL: databaseUrl, USER_PORT: 'eighty' },
      /^USER_PORT: "eighty" is not a port \(0 to 65535\)\n$/,
    ],
    [{ DATABASE_URL: databaseUrl, PARTITIONS: '0' }, /^PARTITIONS: "0" is not a number from 1 to 1024\n$/],
    [
      { DATABASE_URL: databaseUrl, PARTITIONS: '8', USER_PORT: '0' },
      /^PARTITIONS is 8, but this installation was created with 16, .*\n$/,
    ],
    [
      { DATABASE_URL: databaseUrl, CURRENCY: 'EUR', USER_PORT: '0' },
      /^CURRENCY is EUR, but this installation was created with RUB, .*\n$/,
    ],
    [
      { DATABASE_URL: databaseUrl, DATABASE_WAIT_SECONDS: 'long' },
      /^DATABASE_WAIT_SECONDS: "long" is not a number of seconds \(0 to 3600\)\n$/,
    ],
    [{}, /^DATABASE_URL \(or USER_DATABASE_URL\) is missing: .*\n$/],
    [{ DATABASE_URL: 'mysql://localhost/x' }, /^DATABASE_URL: is not a URL like .*\n$/],
    [
      { DATABASE_URL: 'postgres://x:y@127.0.0.1:1/none', DATABASE_WAIT_SECONDS: '0' },
      /^the PostgreSQL of user-service \(DATABASE_URL\) at 127.0.0.1:1\/none: does not answer .*\n$/,
    ],
    [
      // An answer is no silence: nobody waits for another one.
      { DATABASE_URL: databaseUrl.replace(/\/test_\w+/, '/nowhere') },
      /^the PostgreSQL of user-service .*: database "nowhere" does not exist \(3D000\)\n$/,
    ],
    [
      { DATABASE_URL: databaseUrl, USER_PORT: taken },
      new RegExp(`^USER_PORT 127.0.0.1:${taken}: the port is taken .*\n$`),
    ],
    [
      // Of a network for documents (RFC 5737): nobody's.
      { DATABASE_URL: databaseUrl, USER_PORT: '0', HOST: '192.0.2.1' },
      /^HOST 192.0.2.1: this machine has no such address \(EADDRNOTAVAIL\)\n$/,
    ],
  ];
  const results = await Promise.all(
    cases.map(async ([env]) => {
      const running = run('services/user-service/main.ts', { LOG_LEVEL: 'error', ...env });
      return { code: await running.ended, output: running.output() };
    }),
  );
  results.forEach(({ code, output }, i) => {
    expect(output).toMatch(cases[i]![1]);
    expect(code).toBe(1);
  });
}, 120_000);

test('started before the services that it follows, a service catches up once they are there', async () => {
  const databaseUrl = await createDatabase();
  const billing = await startService('billing-service', databaseUrl);
  const [missing, user] = await Promise.all([
    fetch(`${billing.url}/accounts/1`),
    startService('user-service', databaseUrl),
  ]);
  expect([404, 503]).toContain(missing.status);
  const created = await fetch(`${user.url}/users`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: 'anna@example.org', name: 'Anna' }),
  });
  const { id } = (await created.json()) as { id: number };
  const order = await startService('order-service', databaseUrl);
  expect(order.output()).toMatch(/ready/);
  const account = await fetch(`${billing.url}/accounts/${id}`);
  expect(await account.json()).toEqual({ user_id: id, balance: 0 });
  await line(billing, /ready/);
});

/** A database whose server is reached through a port of its own, on which nobody listens before `open`. */
async function databaseBehindClosedPort() {
  const url = new URL(await createDatabase());
  const { port: serverPort, hostname } = url;
  const server = createServer((client) => {
    const upstream = connect(Number(serverPort), hostname);
    for (const socket of [client, upstream]) socket.on('error', () => {});
    client.pipe(upstream).pipe(client);
  });
  const listen = (port: number) =>
    new Promise<void>((resolve) => server.listen(port, '127.0.0.1', () => resolve()));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  onTestFinished(() => void server.close());
  // By TCP, past the server's own socket.
  url.searchParams.delete('host');
  url.port = String(port);
  return { url: url.href, open: () => listen(port) };
}

test('started before its database, a service says so, waits, and becomes ready by itself', async () => {
  const database = await databaseBehindClosedPort();
  const running = run('services/user-service/main.ts', { DATABASE_URL: database.url, USER_PORT: '0' });
  await line(running, /"reason":"[^"]+: does not answer \(ECONNREFUSED\)","retry_ms":500,.*"waiting for/);
  expect(running.output()).not.toMatch(/ready/);
  await database.open();
  const [, url] = await line(running, / on (http:\/\/\S+) ready/);
  expect((await fetch(`${url}/health/ready`)).status).toBe(200);
});

test('a service that waits for its database leaves when the time is over, and at once when it is asked to', async () => {
  const database = await databaseBehindClosedPort();
  const start = (seconds: string) =>
    run('services/user-service/main.ts', { DATABASE_URL: database.url, DATABASE_WAIT_SECONDS: seconds });
  const [bounded, asked] = [start('1'), start('3600')];
  expect(await bounded.ended).toBe(1);
  expect(bounded.output()).toMatch(
    /waiting for the database[\s\S]*\nthe PostgreSQL of user-service .*: does not answer/,
  );
  // Its next try comes after 5 s: the signal does not wait for it.
  await line(asked, /"retry_ms":5000/);
  const told = asked.output();
  asked.child.kill('SIGTERM');
  expect(await asked.ended).toBe(0);
  expect(asked.output()).toBe(told);
});
