/** Whole installations on Kafka: what carries the events is changed, secured and cut off. */
import { readFileSync } from 'node:fs';
import { Admin } from '@platformatic/kafka';
import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import type { Config } from '@stream-processing/runtime/config.ts';
import type { KafkaOptions, SaslMechanism } from '@stream-processing/runtime/kafka-options.ts';
import { connect } from '@stream-processing/runtime/sql.ts';
import { StartupError } from '@stream-processing/runtime/startup-error.ts';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { audit, lines, withLooks } from '../proofs/audit/audit.ts';
import { Api } from '../test/api.ts';
import { createDatabases } from '../test/database.ts';
import { startInstallation } from '../test/installation.ts';
import { startAll, urlsOf } from '../test/processes.ts';
import { expectProblem } from '../test/replies.ts';
import { until } from '../test/until.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { connectKafka, givenKafka } from './given.ts';

/** Of our own: this one is cut off, and loses a broker. */
let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster({ proxied: true });
});
afterAll(() => cluster?.stop());

async function start(urls: Record<ServiceName, string>, settings: Partial<Config>) {
  const installation = await startInstallation(urls, settings);
  onTestFinished(installation.stop);
  return installation;
}

async function expectAtRest(urls: Record<ServiceName, string>) {
  let broken: string[] = [];
  await until('every invariant holds', async () => {
    broken = lines(await withLooks(urls, (looks) => audit(looks, { atRest: true })));
    return broken.length === 0;
  }).catch((error) => {
    expect(broken).toEqual([]);
    throw error;
  });
}

/** Orders of some users; answers how many letters each must have. */
async function placeOrders(api: Api, users: number[], each: number): Promise<void> {
  for (const user of users) {
    const orders = await Promise.all(Array.from({ length: each }, () => api.order(user, 1)));
    expect(orders.map(({ body }) => body.status)).toEqual(Array(each).fill('confirmed'));
  }
}

async function lettersOf(api: Api, users: number[]): Promise<number[]> {
  return Promise.all(users.map(async (user) => (await api.letters(user)).length));
}

test('from PostgreSQL to Kafka and back, twice: stop, switch, start; nothing is lost or repeated, what was under way included', async () => {
  const urls = await createDatabases();
  const orders = connect(urls['order-service'], { max: 1, name: 'proof', schema: 'order_service' });
  onTestFinished(() => orders.end());
  const letters = new Map<number, number>();
  const expectLetters = async (api: Api) => {
    for (const [user, count] of letters)
      await until(
        `user ${user} has ${count} letters`,
        // A read may say that it is not fresh while topics are filled.
        () =>
          api.letters(user).then(
            ({ length }) => length === count,
            () => false,
          ),
        60_000,
      );
  };
  for (const log of ['postgres', 'kafka', 'postgres', 'kafka', 'postgres'] as const) {
    const processes = await startAll(urls, { EVENT_LOG: log });
    const api = new Api(urlsOf(processes));
    await expectLetters(api);
    for (const user of [await api.userWith(1000), await api.userWith(1000)]) letters.set(user, 0);
    const users = [...letters.keys()];
    await placeOrders(api, users, 3);
    // Without billing these stay undecided, in the log that is about to be left.
    processes['billing-service'].child.kill('SIGKILL');
    await processes['billing-service'].ended;
    for (const user of users) {
      expect((await api.order(user, 1, { prefer: 'respond-async' })).status).toBe(202);
      letters.set(user, letters.get(user)! + 4);
    }
    const alive = SERVICES.filter((name) => name !== 'billing-service').map((name) => processes[name]);
    for (const { child } of alive) child.kill('SIGTERM');
    expect(await Promise.all(alive.map(({ ended }) => ended))).toEqual([0, 0, 0]);
    const [row] = await orders`select count(*)::int as pending from orders where status = 'pending'`;
    expect(row).toEqual({ pending: users.length });
  }
  const last = await start(urls, { kafka: undefined });
  await expectLetters(last.api);
  await last.stop();
  await expectAtRest(urls);
}, 300_000);

test('after the topics are gone all that the logs hold comes again, and is applied once', async () => {
  const urls = await createDatabases();
  const { api, stop } = await start(urls, { kafka: givenKafka() });
  const users = [await api.userWith(100), await api.userWith(100)];
  await placeOrders(api, users, 5);
  await stop();
  // Another prefix: as if every topic had been deleted.
  const again = await start(urls, { kafka: givenKafka() });
  expect(await lettersOf(again.api, users)).toEqual([5, 5]);
  await placeOrders(again.api, users, 1);
  expect(await lettersOf(again.api, users)).toEqual([6, 6]);
  await again.stop();
  await expectAtRest(urls);
});

const SASL: SaslMechanism[] = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'];

function secured(mechanism: SaslMechanism, settings: Partial<KafkaOptions> = {}): KafkaOptions {
  const { brokers, caFile, username, password } = cluster.secure;
  const tls = { ca: readFileSync(caFile, 'utf8') };
  return givenKafka({ brokers, tls, sasl: { mechanism, username, password }, ...settings });
}

test.each(SASL)('by TLS, as a user known by %s', async (mechanism) => {
  const { api } = await start(await createDatabases(), { kafka: secured(mechanism) });
  const user = await api.userWith(5);
  expect((await api.order(user, 5)).body.status).toBe('confirmed');
  expect(await api.letters(user)).toHaveLength(1);
});

test('a wrong password, an unknown authority and brokers that are not there are told in one line at start', async () => {
  const sasl = { mechanism: 'SCRAM-SHA-256', username: cluster.secure.username, password: 'wrong' } as const;
  const bad = [
    secured('SCRAM-SHA-256', { sasl }),
    secured('PLAIN', { tls: {} }),
    givenKafka({ brokers: ['127.0.0.1:1'] }),
  ];
  for (const kafka of bad) {
    const failure = await startInstallation(await createDatabases(), { kafka }).then(
      ({ stop }) => stop(),
      (error) => error,
    );
    expect(failure).toBeInstanceOf(StartupError);
    expect((failure as Error).message).toMatch(/^Kafka \(KAFKA_BROKERS\) at 127\.0\.0\.1:\d+.*: \S/);
    expect((failure as Error).message).not.toContain('\n');
  }
});

test('a topic with another number of partitions, or too few brokers for the copies, are refused at start', async () => {
  const kafka = givenKafka();
  // Which nobody follows: a follower would say so too, perhaps sooner.
  await connectKafka(kafka).createTopic('notification-service', 3);
  await expect(startInstallation(await createDatabases(), { kafka })).rejects.toThrow(
    `the Kafka topic ${kafka.topicPrefix}notification-service has 3 partitions, but PARTITIONS is 16`,
  );
  await expect(
    startInstallation(await createDatabases(), { kafka: givenKafka({ replicationFactor: 4 }) }),
  ).rejects.toThrow('KAFKA_REPLICATION_FACTOR is 4, but the cluster has fewer brokers');
});

test('a topic that may lose what was acknowledged, or events out of the middle, is refused at start', async () => {
  const kafka = givenKafka();
  await connectKafka({ ...kafka, replicationFactor: 1 }).createTopic('order-service', 16);
  await expect(startInstallation(await createDatabases(), { kafka })).rejects.toThrow(
    `the Kafka topic ${kafka.topicPrefix}order-service has min.insync.replicas 1, but with KAFKA_REPLICATION_FACTOR 3 it must be at least 2`,
  );
  const compacted = givenKafka();
  const topic = `${compacted.topicPrefix}billing-service`;
  const admin = new Admin({ clientId: 'proof-admin', bootstrapBrokers: compacted.brokers });
  onTestFinished(() => admin.close());
  await admin.createTopics({
    topics: [topic],
    partitions: 16,
    replicas: 3,
    configs: [
      { name: 'cleanup.policy', value: 'compact' },
      { name: 'min.insync.replicas', value: '2' },
    ],
  });
  await expect(startInstallation(await createDatabases(), { kafka: compacted })).rejects.toThrow(
    `the Kafka topic ${topic} has cleanup.policy compact`,
  );
});

test('a reply waits until others can see what it tells; cut off for too long, it says that the outcome is not known, and a read that it is not fresh', async () => {
  const { api } = await start(await createDatabases(), { kafka: givenKafka({ brokers: cluster.brokers }) });
  cluster.cut();
  onTestFinished(() => cluster.mend());
  const key = { 'idempotency-key': 'anna' };
  const user = { email: 'anna@example.org', name: 'Anna' };
  let answered = false;
  const created = api.post('user-service', '/users', user, key).finally(() => {
    answered = true;
  });
  await until(
    'the user is committed',
    async () => (await api.get('user-service', '/users/1?consistency=eventual')).status === 200,
  );
  for (const path of ['/users/1', '/users?order=desc'])
    expectProblem(await api.get('user-service', path), 'not_fresh');
  expect(answered, 'not before others can see it').toBe(false);
  expectProblem(await created, 'outcome_unknown');
  cluster.mend();
  await until('the same request gets its first reply', async () => {
    const again = await api.post('user-service', '/users', user, key);
    return again.status === 201 && again.body.id === 1;
  });
  // Readers come back by themselves too, perhaps a moment later than the relay: until then reads say that they are not fresh.
  await until('the account is there to be read', async () => {
    const { status, body } = await api.account(1);
    if (status === 503) expect(body.code).toBe('not_fresh');
    return status === 200 && body.balance === 0;
  });
});

test('with one broker of three down everything goes on', async () => {
  const { api } = await start(await createDatabases(), { kafka: givenKafka({ brokers: cluster.brokers }) });
  const users = await Promise.all(Array.from({ length: 16 }, () => api.userWith(100)));
  // Until the dead broker counts no more, orders wait; who waits for too long is told to repeat.
  const orderAndRead = async (letters: number) => {
    const order = (user: number) =>
      until(
        `order no. ${letters} of user ${user} is confirmed`,
        async () => {
          const key = { 'idempotency-key': `order-${user}-${letters}`, prefer: 'wait=10' };
          const { status, body } = await api.order(user, 1, key);
          return status === 201 && body.status === 'confirmed';
        },
        45_000,
      );
    await Promise.all(users.map(order));
    expect(await lettersOf(api, users)).toEqual(Array(16).fill(letters));
  };
  await orderAndRead(1);
  const [broker] = cluster.nodes;
  await broker!.kill();
  await orderAndRead(2);
  await broker!.start();
  await cluster.untilInSync();
  await orderAndRead(3);
});
