/** What proofs begin with. */
import { randomUUID } from 'node:crypto';
import { Admin } from '@platformatic/kafka';
import { Announcer, type Bus } from '@stream-processing/runtime/announcements.ts';
import { append } from '@stream-processing/runtime/append.ts';
import { Kafka } from '@stream-processing/runtime/kafka.ts';
import { KafkaFeed } from '@stream-processing/runtime/kafka-feed.ts';
import type { KafkaOptions } from '@stream-processing/runtime/kafka-options.ts';
import type { Message } from '@stream-processing/runtime/kafka-records.ts';
import { LogMissing, type LogReader, LogUnavailable } from '@stream-processing/runtime/log.ts';
import { kafkaLog } from '@stream-processing/runtime/log-kafka.ts';
import { postgresLog } from '@stream-processing/runtime/log-postgres.ts';
import { readerRole } from '@stream-processing/runtime/migrate.ts';
import { Outbox } from '@stream-processing/runtime/outbox.ts';
import { Relay } from '@stream-processing/runtime/relay.ts';
import { connect, schemaOf } from '@stream-processing/runtime/sql.ts';
import pino from 'pino';
import { inject, onTestFinished } from 'vitest';
import { createToy, PARTITIONS, TOY } from '../test/toy.ts';
import { succeeds, until } from '../test/until.ts';

/** Topics of one's own on the proofs' cluster. */
export function givenKafka(settings: Partial<KafkaOptions> = {}): KafkaOptions {
  return {
    brokers: inject('kafkaBrokers')!,
    topicPrefix: `proof-${randomUUID().slice(0, 8)}.`,
    replicationFactor: 3,
    retentionHours: 1,
    ...settings,
  };
}

export function connectKafka(options: KafkaOptions, clientId = 'proof'): Kafka {
  const kafka = new Kafka(options, clientId);
  onTestFinished(() => kafka.close());
  return kafka;
}

/** Reads the toy's topic as one of its followers does. */
export function readTopic(kafka: Kafka): LogReader {
  const feed = new KafkaFeed(kafka, 'proof-feed', () => {});
  const reader = kafkaLog({ kafka, feed, topic: kafka.topicOf(TOY) });
  onTestFinished(async () => {
    await reader.close();
    await feed.close();
  });
  return reader;
}

/** Relays nothing yet; `told` is what others are told of its progress: partition and position. */
export function createRelay(
  url: string,
  bus: Bus,
  kafka: Kafka,
  change: (log: LogReader) => LogReader = (log) => log,
) {
  bus.join(TOY, url);
  const sql = connect(url, { max: 3, name: 'relay', schema: schemaOf(TOY), role: readerRole(TOY) });
  const log = change(postgresLog({ sql, service: TOY, follower: 'kafka', bus, pollMs: 50 }));
  const logger = pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' });
  const told: [partition: number, position: number][] = [];
  const relay = new Relay({
    service: TOY,
    partitions: PARTITIONS,
    kafka,
    log,
    bus,
    onPublished: (...place) => void told.push(place),
    logger,
  });
  onTestFinished(async () => {
    await relay.close();
    await log.close();
  });
  return { relay, told };
}

/** Relays the toy's log; `stop` lets go of all partitions. */
export function startRelay(...given: Parameters<typeof createRelay>) {
  const { relay, told } = createRelay(...given);
  const stopping = new AbortController();
  const running = Array.from({ length: PARTITIONS }, (_, partition) => relay.run(partition, stopping.signal));
  const stop = async () => {
    stopping.abort();
    await Promise.all(running);
  };
  // Before the relay is closed: what is to be done when a test has finished is done in reverse.
  onTestFinished(stop);
  return { relay, told, stop };
}

/** Until the relay has been at every partition. */
export async function untilOpened(reader: LogReader): Promise<void> {
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    await until(`partition ${partition} is opened by its relay`, () => succeeds(reader.end(partition)));
  }
}

export const PARTITION = 1;

/** The toy's log with its topic, and hands to meddle with both. */
export async function givenLog() {
  const { url, sql, bus } = await createToy();
  const options = givenKafka();
  const kafka = connectKafka(options);
  await kafka.createTopic(TOY, PARTITIONS);
  const topic = kafka.topicOf(TOY);
  const admin = new Admin({ clientId: 'proof-admin', bootstrapBrokers: options.brokers });
  onTestFinished(() => admin.close());
  const announcer = new Announcer(TOY, sql, bus);
  return {
    url,
    sql,
    bus,
    options,
    kafka,
    topic,
    admin,
    async append(count: number) {
      const outbox = new Outbox(PARTITIONS);
      for (let i = 0; i < count; i += 1)
        outbox.add({ type: 'Added', user_id: PARTITION, data: { value: i } }, null);
      const events = await sql.begin((tx) => append(tx, outbox, new Date()));
      announcer.announce({ events, moves: [] });
      return events;
    },
  };
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** All positions after `after`, as a processor gets them, until `last` came. */
export async function readAll(reader: LogReader, after: number, last: number): Promise<number[]> {
  const read: number[] = [];
  await until(`position ${last} is read`, async () => {
    const events = await reader.read(PARTITION, read.at(-1) ?? after, 100).catch((error) => {
      if (error instanceof LogMissing || error instanceof LogUnavailable) return [];
      throw error;
    });
    read.push(...events.map((event) => event.position));
    return read.at(-1) === last;
  });
  return read;
}

/** A cluster that has just started does not take what comes at once. */
export async function sendUntilTaken(kafka: Kafka, messages: Message[]): Promise<void> {
  await until('the records are taken', () => succeeds(kafka.send(messages as [Message, ...Message[]])));
}
