import type { ServiceName } from '@stream-processing/contracts/names.ts';
import type { Logger } from 'pino';
import type { Announcer, Bus } from './announcements.ts';
import { awaitAnswer } from './await-answer.ts';
import { type Config, databaseUrl } from './config.ts';
import { Kafka } from './kafka.ts';
import { KafkaFeed } from './kafka-feed.ts';
import type { KafkaOptions } from './kafka-options.ts';
import { type LogReader, LogUnavailable } from './log.ts';
import { kafkaLog } from './log-kafka.ts';
import { postgresLog } from './log-postgres.ts';
import { readerRole } from './migrate.ts';
import { Relay } from './relay.ts';
import { SILENT_MS_MAX } from './silence.ts';
import { connect, schemaOf } from './sql.ts';
import { StartupError } from './startup-error.ts';

/** What carries events between the services of an installation, as one of them sees it. */
export interface EventLog {
  /** Another service's log. */
  follow(source: ServiceName): LogReader;
  /** Copies this service's log to where the others read it; undefined: they read it where it is. */
  relay: Relay | undefined;
  close(): Promise<void>;
}

interface Surroundings {
  name: ServiceName;
  bus: Bus;
  announcer: Announcer;
  logger: Logger;
  stopping: AbortSignal;
}

const LOG_CONNECTIONS = 3;
const TROUBLE_MS = 5000;

export async function openEventLog(config: Config, surroundings: Surroundings): Promise<EventLog> {
  return config.kafka ? openKafka(config, config.kafka, surroundings) : openPostgres(config, surroundings);
}

/** Consumers read the producers' logs where they are. */
function openPostgres(config: Config, { name, bus }: Surroundings): EventLog {
  const logs: LogReader[] = [];
  return {
    follow(source) {
      const url = databaseUrl(config, source);
      bus.join(source, url);
      const log = readerOf(url, source, name, bus);
      logs.push(log);
      return log;
    },
    relay: undefined,
    close: async () => void (await Promise.all(logs.map((log) => log.close()))),
  };
}

/** Each service relays its own log to a topic, and reads the topics of the others. */
async function openKafka(
  config: Config,
  options: KafkaOptions,
  surroundings: Surroundings,
): Promise<EventLog> {
  const { name, bus, announcer, logger } = surroundings;
  const { partitions } = config.installation;
  const kafka = new Kafka(options, name);
  try {
    await createTopic(kafka, config, surroundings);
  } catch (error) {
    await kafka.close();
    throw error;
  }
  let told = Number.NEGATIVE_INFINITY;
  const feed = new KafkaFeed(kafka, `${name}-feed`, (error) => {
    if (performance.now() - told < TROUBLE_MS) return;
    told = performance.now();
    logger.warn({ reason: (error as Error).message }, 'Kafka is interrupted');
  });
  const own = readerOf(databaseUrl(config, name), name, name, bus);
  const onPublished = (partition: number, position: number) =>
    announcer.tell([{ of: 'published', partition, position }]);
  const relay = new Relay({ service: name, partitions, kafka, log: own, bus, onPublished, logger });
  // By Kafka only the relay waits for the log itself, and a partition has one.
  announcer.keepHere(({ of, partition }) => of === 'log' && relay.published.holds(partition));
  const logs: LogReader[] = [own];
  return {
    follow(source) {
      const log = kafkaLog({ kafka, feed, topic: kafka.topicOf(source) });
      logs.push(log);
      return log;
    },
    relay,
    async close() {
      await relay.close();
      await Promise.all(logs.map((log) => log.close()));
      await feed.close();
      await kafka.close();
    },
  };
}

async function createTopic(
  kafka: Kafka,
  { kafka: options, installation, databaseWaitSeconds: seconds }: Config,
  { name, logger, stopping: signal }: Surroundings,
): Promise<void> {
  const what = `Kafka (KAFKA_BROKERS) at ${options!.brokers.join(', ')}`;
  await awaitAnswer(() => kafka.createTopic(name, installation.partitions), {
    seconds,
    signal,
    onRetry: (error, retry_ms) =>
      logger.warn({ reason: `${what}: ${(error as Error).message}`, retry_ms }, 'waiting for Kafka'),
  }).catch((error) => {
    throw error instanceof LogUnavailable ? new StartupError(`${what}: ${error.message}`) : error;
  });
}

/** As the role that may read the log of `source` and nothing else. */
function readerOf(url: string, source: ServiceName, reader: ServiceName, bus: Bus): LogReader {
  const sql = connect(url, {
    max: LOG_CONNECTIONS,
    name: `${reader} reads ${source}`,
    schema: schemaOf(source),
    role: readerRole(source),
    silent_ms_max: SILENT_MS_MAX,
  });
  return postgresLog({ sql, service: source, follower: reader, bus });
}
