/** What README.md says of Compose's profile `kafka`, tried: each test goes on from where the one before it left the stack. */
import { Admin, Consumer, ListOffsetTimestamps, stringDeserializers } from '@platformatic/kafka';
import { EVENTS } from '@stream-processing/contracts/events.ts';
import { SERVICES } from '@stream-processing/contracts/names.ts';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { until } from '../test/until.ts';
import { Callers, send } from './callers.ts';
import { commandFor, newman } from './newman.ts';
import { POLL_MS, Stack } from './stack.ts';

const stack = new Stack({ profiles: ['kafka'], settings: { EVENT_LOG: 'kafka' } });
/** As whoever follows the topics from this machine reaches it. */
const BROKER = { bootstrapBrokers: ['localhost:9092'], clientId: 'outside' };
const TOPICS = Object.keys(EVENTS).map((service) => `stream-processing.${service}`);

beforeAll(() => stack.up(), 600_000);
afterAll(() => stack.compose('down', '--volumes', '--timeout', '50'), 120_000);

/** How many records each of the topics' partitions has had. */
async function offsets(): Promise<Record<string, number[]>> {
  const consumer = new Consumer({ ...BROKER, groupId: 'outside' });
  try {
    const found = await consumer.listOffsets({ topics: TOPICS, timestamp: ListOffsetTimestamps.LATEST });
    return Object.fromEntries(TOPICS.map((topic) => [topic, found.get(topic)!.map(Number)]));
  } finally {
    await consumer.close();
  }
}

const sum = (counts: Record<string, number[]>) =>
  Object.values(counts)
    .flat()
    .reduce((a, b) => a + b, 0);

test('there is a broker beside what is there otherwise, healthy, and as no more than a numeric user', async () => {
  expect(await stack.services()).toEqual([...SERVICES, 'gateway', 'kafka', 'postgres'].sort());
  await stack.healthy('kafka');
  expect((await stack.exec('kafka', 'id', '-u')).stdout.trim()).toBe('1000');
});

test('the newman command of the README passes, and its events are in the topics: one copy, as many partitions as are set', async () => {
  const output = await newman(await commandFor('http://arch.homework'));
  expect(output).toMatch(/│\s+assertions │\s+[1-9]\d* │\s+0 │/);
  const consumer = new Consumer({ ...BROKER, groupId: 'reader', deserializers: stringDeserializers });
  onTestFinished(() => consumer.close(true));
  const stream = await consumer.consume({ topics: TOPICS, mode: 'earliest', autocommit: false });
  const expected = Object.values(EVENTS).flatMap((events) => Object.keys(events));
  const seen = new Set<string>();
  for await (const { headers } of stream) {
    seen.add(headers.get('ce_type') ?? 'LogEnd');
    if (expected.every((type) => seen.has(type))) break;
  }
  const admin = new Admin(BROKER);
  onTestFinished(() => admin.close());
  const { topics } = await admin.metadata({ topics: TOPICS });
  for (const { partitions } of topics.values()) {
    expect(partitions).toHaveLength(16);
    expect(partitions.map(({ replicas }) => replicas.length)).toEqual(partitions.map(() => 1));
  }
});

test('a crash of each part under load, the broker among them, loses nothing, doubles nothing, and ends by itself', async () => {
  const callers = new Callers();
  await callers.start(6);
  const goesOn = async (after: string) => {
    const before = callers.told.length;
    await until(`40 orders are answered after ${after}`, () => callers.told.length > before + 40, 120_000);
  };
  await goesOn('the start');
  for (const part of ['kafka', ...SERVICES, 'postgres']) {
    const before = await stack.state(part);
    await stack.crash(part);
    const again = async () => (await stack.state(part)).restarts > before.restarts;
    await until(`${part} is started again`, again, 60_000, POLL_MS);
    await stack.healthy(part);
    await goesOn(`the crash of ${part}`);
  }
  await callers.stop();
  await callers.check();
}, 900_000);

test('a broker that answers nobody is unhealthy, though its port still takes connections', async () => {
  await stack.signal('kafka', 'STOP');
  const isUnhealthy = async () => (await stack.state('kafka')).health === 'unhealthy';
  await until('kafka is unhealthy', isUnhealthy, 60_000, POLL_MS).finally(() =>
    stack.signal('kafka', 'CONT'),
  );
  await stack.healthy('kafka');
});

test('a service that starts before the broker waits, says so, and becomes ready by itself', async () => {
  await stack.compose('stop', 'billing-service');
  await stack.compose('stop', 'kafka');
  const { id } = await stack.state('billing-service');
  const since = new Date().toISOString();
  await stack.docker('start', id);
  const logs = async () => (await stack.docker('logs', '--since', since, id)).stderr;
  const waits = async () => (await logs()).includes('waiting for Kafka');
  await until('billing-service waits', waits, 60_000, POLL_MS);
  await stack.compose('start', 'kafka');
  await stack.healthy('billing-service');
  expect((await stack.state('billing-service')).restarts).toBe(0);
});

test('down and up again keeps the data, and the topics: nothing has to be copied again', async () => {
  const user = await send('POST', '/users', { email: 'kept@example.org', name: 'Kept' });
  await send('POST', `/accounts/${user.id}/deposit`, { amount: 12.34 });
  const before = await offsets();
  expect(sum(before)).toBeGreaterThan(100);
  await stack.compose('down', '--timeout', '50');
  await stack.up();
  expect(await send('GET', `/users/${user.id}`)).toEqual(user);
  expect(await send('GET', `/accounts/${user.id}`)).toEqual({ user_id: user.id, balance: 12.34 });
  expect(await offsets()).toEqual(before);
  await newman(await commandFor('http://arch.homework'));
  expect(sum(await offsets())).toBeGreaterThan(sum(before));
});

test('all parts stop in time, services and broker at once too', async () => {
  await stack.compose('stop');
  for (const service of SERVICES)
    expect({ service, ...(await stack.state(service)) }).toMatchObject({
      service,
      status: 'exited',
      exitCode: 0,
    });
});

test('to PostgreSQL and back: stop, then up with the other setting, and nothing is lost', async () => {
  const plain = new Stack();
  // As two lines in `.env` would have it.
  const again = new Stack({ settings: { EVENT_LOG: 'kafka', COMPOSE_PROFILES: 'kafka' } });
  const user = { email: 'there-and-back@example.org', name: 'Back' };
  const { id: user_id } = await plain.up().then(() => send('POST', '/users', user));
  expect((await plain.state('kafka')).status).toBe('exited');
  await send('POST', `/accounts/${user_id}/deposit`, { amount: 10 });
  expect(await send('POST', '/orders', { user_id, price: 4 })).toMatchObject({ status: 'confirmed' });
  const before = sum(
    await again
      .compose('stop')
      .then(() => again.up())
      .then(offsets),
  );
  expect(await send('POST', '/orders', { user_id, price: 4 })).toMatchObject({ status: 'confirmed' });
  expect(await send('GET', `/accounts/${user_id}`)).toEqual({ user_id, balance: 2 });
  expect((await send('GET', `/notifications?user_id=${user_id}`)).items).toHaveLength(2);
  expect(sum(await offsets())).toBeGreaterThanOrEqual(before + 2);
});
