/** Topics as a service makes them. */
import { Admin, ConfigResourceTypes, findErrorBy } from '@platformatic/kafka';
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
      throw notEverywhere(error);
    });
    const found = leaders.length;
    if (found !== partitions)
      throw new StartupError(
        `the Kafka topic ${topic} has ${found} partitions, but PARTITIONS is ${partitions}: ` +
          'delete the topic, and it is made and filled anew, or choose another KAFKA_TOPIC_PREFIX',
      );
    const config = await withAdmin(clientOptions, brokers, (admin) => configOf(admin, topic)).catch(
      (error) => {
        // Who may write a topic need not be allowed to look at how it is kept.
        if (isKafkaError(error, 'TOPIC_AUTHORIZATION_FAILED')) return new Map();
        throw notEverywhere(unavailable(error, topic));
      },
    );
    checkConfig(topic, config, options);
  }
}

/** Another instance created it this moment, and not every broker has heard of it. */
function notEverywhere(error: Error): Error {
  return error instanceof LogMissing ? new LogUnavailable(error.message) : error;
}

async function configOf(admin: Admin, topic: string): Promise<Map<string, string | null | undefined>> {
  const [description] = await admin.describeConfigs({
    resources: [{ resourceType: ConfigResourceTypes.TOPIC, resourceName: topic }],
  });
  return new Map(description?.configs.map(({ name, value }) => [name, value]));
}

/** A topic that somebody else made must not lose what its brokers acknowledged, nor events out of the middle. */
function checkConfig(
  topic: string,
  config: Map<string, string | null | undefined>,
  options: KafkaOptions,
): void {
  const wanted = topicConfig(options);
  const policy = config.get('cleanup.policy') ?? wanted['cleanup.policy'];
  if (policy !== wanted['cleanup.policy'])
    throw new StartupError(
      `the Kafka topic ${topic} has cleanup.policy ${policy}, by which events would go before others that are older: set it to delete`,
    );
  const insync = config.get('min.insync.replicas') ?? wanted['min.insync.replicas'];
  if (Number(insync) < Number(wanted['min.insync.replicas']))
    throw new StartupError(
      `the Kafka topic ${topic} has min.insync.replicas ${insync}, but with KAFKA_REPLICATION_FACTOR ${options.replicationFactor} ` +
        `it must be at least ${wanted['min.insync.replicas']}: one broker that dies could take along what was acknowledged`,
    );
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
