import pino from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { connectFor, createToy, PARTITIONS, TOY } from '../test/toy.ts';
import { Announcer, Bus } from './announcements.ts';
import { Kafka } from './kafka.ts';
import { postgresLog } from './log-postgres.ts';
import { Relay } from './relay.ts';

/** An instance that relays nothing, and cannot ask any broker. */
async function given() {
  const { url, sql, bus } = await createToy();
  bus.join(TOY, url);
  const { promise: heard, resolve } = Promise.withResolvers<void>();
  const { hear } = bus;
  bus.hear = (service, of, partition, onHeard) =>
    hear.call(bus, service, of, partition, () => {
      resolve();
      onHeard();
    });
  const nowhere = { brokers: ['127.0.0.1:1'], topicPrefix: '', replicationFactor: 1, retentionHours: 1 };
  const kafka = new Kafka(nowhere, 'relay-test');
  const log = postgresLog({ sql: connectFor(url), service: TOY, follower: 'kafka', bus });
  const logger = pino({ level: 'silent' });
  const relay = new Relay({
    service: TOY,
    partitions: PARTITIONS,
    kafka,
    log,
    bus,
    onPublished: () => {},
    logger,
  });
  const others = new Bus();
  others.join(TOY, url);
  const announcer = new Announcer(TOY, sql, others);
  onTestFinished(async () => {
    await announcer.close();
    await others.close();
    await relay.close();
    await log.close();
    await kafka.close();
  });
  return { relay, heard, announcer };
}

test('who waits for what another instance publishes is woken by it, and need not find it in Kafka', async () => {
  const { relay, heard, announcer } = await given();
  const waiting = relay.published(1, 7);
  await heard;
  announcer.tell([{ of: 'published', partition: 1, position: 7 }]);
  await expect(waiting).resolves.toBeUndefined();
});
