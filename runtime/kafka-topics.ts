/** Topics as a service makes them. */
import { Admin, findErrorBy } from '@platformatic/kafka';
import type { ServiceName } from '@stream-processing/contracts/names.ts';
import type { Kafka } from './kafka.ts';
import { isKafkaError, unavailable } from './kafka-errors.ts';
import { inTime } from './kafka-fetch.ts';
import { type KafkaOptions, topicConfig } from './kafka-options.ts';
import { LogMissing, LogUnavailable } from './log.ts';
import { StartupError } from './startup-error.ts';

/** Creates the topic of a service, or checks the one that is there. */
export async function createTopic(
  kafka: Kafka,
  options: KafkaOptions,
  { service, partitions }: { service: ServiceName; partitions: number },
): Promise<void> {
  const topic = kafka.topicOf(service);
  const { brokers, replicationFactor } = options;
  const wanted = {
    topics: [topic],
    partitions,
    replicas: replicationFactor,
    configs: Object.entries(topicConfig(options)).map(([name, value]) => ({ name, value })),
  };
  const clientOptions = kafka.clientOptions(`${service}-admin`);
  try {
    await withAdmin(clientOptions, brokers, (admin) => admin.createTopics(wanted));
  } catch (error) {
    if (isKafkaError(error, 'INVALID_REPLICATION_FACTOR'))
      throw new StartupError(
        `KAFKA_REPLICATION_FACTOR is ${replicationFactor}, but the cluster has fewer brokers`,
      );
    if (!isKafkaError(error, 'TOPIC_ALREADY_EXISTS')) throw unavailable(error);
    const { leaders } = await kafka.leadersOf(topic).catch((error) => {
      // Another instance created it this moment, and not every broker has heard of it.
      throw error instanceof LogMissing ? new LogUnavailable(error.message) : error;
    });
    const found = leaders.length;
    if (found !== partitions)
      throw new StartupError(
        `the Kafka topic ${topic} has ${found} partitions, but PARTITIONS is ${partitions}: ` +
          'delete the topic, and it is made and filled anew, or choose another KAFKA_TOPIC_PREFIX',
      );
  }
}

/** Each broker in turn is the first to be asked: for the controller this client asks no other, however silent that one is. */
async function withAdmin<T>(
  options: ConstructorParameters<typeof Admin>[0],
  brokers: string[],
  work: (admin: Admin) => Promise<T>,
): Promise<T> {
  for (let first = 0; ; first += 1) {
    const bootstrapBrokers = [...brokers.slice(first), ...brokers.slice(0, first)];
    const admin = new Admin({ ...options, bootstrapBrokers, retries: 0 });
    try {
      return await inTime(work(admin));
    } catch (error) {
      const isAnswer = findErrorBy(error as Error, 'canRetry', false) !== null;
      if (isAnswer || first === brokers.length - 1) throw error;
    } finally {
      void admin.close().catch(() => {});
    }
  }
}
