/** One service's connections to a Kafka cluster, as far as the log needs them: topics, records by offset, batches to write. */
import {
  Consumer,
  FetchIsolationLevels,
  findErrorBy,
  ListOffsetTimestamps,
  Producer,
  stringSerializers,
} from '@platformatic/kafka';
import type { ServiceName } from '@stream-processing/contracts/names.ts';
import { coalesce } from './coalesce.ts';
import { getOrMake } from './get-or-make.ts';
import { unavailable } from './kafka-errors.ts';
import {
  type FetchResponse,
  fetchFrom,
  inTime,
  OFFSET_OUT_OF_RANGE,
  partitionToFetch,
} from './kafka-fetch.ts';
import type { KafkaOptions } from './kafka-options.ts';
import { type Message, type TopicRecord, toRecords } from './kafka-records.ts';
import { createTopic } from './kafka-topics.ts';
import { LogMissing, LogUnavailable } from './log.ts';

/** What a topic's partition holds: offsets from `first` to below `next`. */
export interface Offsets {
  first: number;
  next: number;
}

/** A broker that does not answer for so long is given up for this request. */
const REQUEST_MS_MAX = 5000;
/** One whose machine is gone does not even refuse. */
const CONNECT_MS_MAX = 2000;
/**
 * What is known of topics and leaders is asked for again after so long; sooner whenever it proves wrong. The client asks the first of
 * KAFKA_BROKERS that lets it connect, so that one which is silent costs a pause each time.
 */
const METADATA_MS_MAX = 60_000;
/**
 * At least. Each try of a write asks anew who leads the partition: with three, a leader's change within 0.3 s goes unnoticed. And each
 * asks another of KAFKA_BROKERS first: one that accepts connections and closes them (a dead broker behind a proxy or a balancer), or
 * keeps silent, would otherwise be asked for ever.
 */
const TRIES_MIN = 3;
const RETRY_MS = 100;
/** Room for the largest batch that the relay writes. */
const BATCH_BYTES_MAX = 1_048_576;
/** Of one answer, which brokers fill with 50 MiB and leave the rest of the partitions empty without a word. */
const LOOKS_MAX = 32;

type Place = { topic: string; partition: number; offset: number };

export class Kafka {
  readonly #options: KafkaOptions;
  readonly #producer: Producer<string | undefined, string | undefined, string, string>;
  // Beside what follows the log: a broker answers one connection's requests in turn, and a fetch there may wait for news.
  readonly #lookups: Consumer;
  readonly #senders = new Map<number, (messages: Message[]) => Promise<number>>();
  readonly #lookers = new Map<number, (place: Place) => Promise<TopicRecord[]>>();
  readonly #offsets = new Map<string, (partition: number) => Promise<number>>();

  constructor(options: KafkaOptions, clientId: string) {
    this.#options = options;
    this.#producer = new Producer({
      ...this.clientOptions(clientId),
      idempotent: true,
      serializers: stringSerializers as object,
    });
    this.#lookups = this.consumer(`${clientId}-lookups`);
  }

  topicOf(service: ServiceName): string {
    return this.#options.topicPrefix + service;
  }

  /** A client of its own for whoever fetches; it joins no group. */
  consumer(clientId: string): Consumer {
    return new Consumer({
      ...this.clientOptions(clientId),
      groupId: clientId,
      autocommit: false,
      isolationLevel: FetchIsolationLevels.READ_UNCOMMITTED,
    });
  }

  clientOptions(clientId: string) {
    const { brokers, tls, sasl } = this.#options;
    return {
      clientId,
      bootstrapBrokers: brokers,
      connectTimeout: CONNECT_MS_MAX,
      metadataMaxAge: METADATA_MS_MAX,
      requestTimeout: REQUEST_MS_MAX,
      timeout: REQUEST_MS_MAX,
      retries: Math.max(TRIES_MIN, brokers.length) - 1,
      retryDelay: RETRY_MS,
      ...(tls ? { tls } : {}),
      ...(sasl ? { sasl } : {}),
    };
  }

  /** Creates the topic of a service, or checks the one that is there: users would change their partition. */
  createTopic(service: ServiceName, partitions: number): Promise<void> {
    return createTopic(this, this.#options, { service, partitions });
  }

  /** The topic's id and the leaders of its partitions, as known to `client`; `clearMetadata` there makes it ask again. */
  async metadataOf(
    client: Pick<Consumer, 'metadata'>,
    topic: string,
  ): Promise<{ id: string; leaders: number[] }> {
    const metadata = await inTime(client.metadata({ topics: [topic] })).catch((error) => {
      throw unavailable(error, topic);
    });
    const found = metadata.topics.get(topic);
    if (!found) throw new LogMissing(`the Kafka topic ${topic} does not exist`);
    return { id: found.id, leaders: found.partitions.map(({ leader }) => leader) };
  }

  /** The topic's id, and who leads its partitions. */
  leadersOf(topic: string): Promise<{ id: string; leaders: number[] }> {
    return this.metadataOf(this.#lookups, topic);
  }

  /** What is known of leaders proved wrong. */
  forgetLeaders(): void {
    this.#lookups.clearMetadata();
  }

  /**
   * Writes a batch into one partition; resolves with the offset of its first record once it is on all in-sync replicas.
   * Batches for one leader travel together. A rejected batch may have been written all the same.
   */
  async send(messages: [Message, ...Message[]]): Promise<number> {
    const { topic, partition } = messages[0];
    const leader = await this.#leaderOf(this.#producer, topic, partition!);
    return getOrMake(this.#senders, leader, () => coalesce((batches) => this.#sendAll(batches)))(messages);
  }

  /** The records of the batch that holds `offset`, all of them; empty: there is no such offset. */
  async recordsAt(topic: string, partition: number, offset: number): Promise<TopicRecord[]> {
    const leader = await this.#leaderOf(this.#lookups, topic, partition);
    const look = getOrMake(this.#lookers, leader, () => coalesce((places) => this.#lookAll(leader, places)));
    return look({ topic, partition, offset });
  }

  /**
   * The topic's id, by which its leader still knew it after the call. Offsets are asked for by name: of a topic that was made
   * anew they mean something else, and ids never come back. `offset` is any.
   */
  async idOf(topic: string, partition: number, offset: number): Promise<string> {
    const { id } = await this.leadersOf(topic);
    // A fetch is by id.
    await this.recordsAt(topic, partition, offset);
    if ((await this.leadersOf(topic)).id === id) return id;
    throw new LogUnavailable(`the Kafka topic ${topic} was made anew`);
  }

  async offsetsOf(topic: string, partition: number): Promise<Offsets> {
    const [first, next] = await Promise.all([
      this.#offsetOf(topic, partition, ListOffsetTimestamps.EARLIEST),
      this.nextOffset(topic, partition),
    ]);
    return { first, next };
  }

  /** The offset that the next record will get. */
  nextOffset(topic: string, partition: number): Promise<number> {
    return this.#offsetOf(topic, partition, ListOffsetTimestamps.LATEST);
  }

  async close(): Promise<void> {
    await Promise.all(
      [this.#producer.close(), this.#lookups.close()].map((closed) => closed.catch(() => {})),
    );
  }

  async #leaderOf(client: Pick<Consumer, 'metadata' | 'clearMetadata'>, topic: string, partition: number) {
    const { leaders } = await this.metadataOf(client, topic);
    const leader = leaders[partition];
    if (leader === undefined)
      throw new Error(
        `the Kafka topic ${topic} has no partition ${partition}: is PARTITIONS the same everywhere?`,
      );
    if (leader >= 0) return leader;
    client.clearMetadata();
    throw new LogUnavailable(`partition ${partition} of the Kafka topic ${topic} has no leader`);
  }

  async #sendAll(batches: Message[][]): Promise<number[]> {
    try {
      const { offsets = [] } = await inTime(this.#producer.send({ messages: batches.flat() }));
      return batches.map(([first]) =>
        Number(offsets.find((o) => o.topic === first!.topic && o.partition === first!.partition)!.offset),
      );
    } catch (error) {
      this.#producer.clearMetadata();
      throw unavailable(error);
    }
  }

  async #lookAll(leader: number, places: Place[]): Promise<TopicRecord[][]> {
    const found: TopicRecord[][] = places.map(() => []);
    let left = places.map((place, i) => ({ ...place, i }));
    while (left.length > 0) {
      // A request has room for one offset of each partition, and its answer for so many batches.
      const now = left
        .filter((a, i) => left.findIndex((b) => b.topic === a.topic && b.partition === a.partition) === i)
        .slice(0, LOOKS_MAX);
      left = left.filter((place) => !now.includes(place));
      const records = await this.#fetchOnce(leader, now);
      now.forEach(({ i }, n) => {
        found[i] = records[n]!;
      });
    }
    return found;
  }

  async #fetchOnce(node: number, places: Place[]): Promise<TopicRecord[][]> {
    const ids = new Map<string, string>();
    for (const { topic } of places) ids.set(topic, (await this.metadataOf(this.#lookups, topic)).id);
    const topics = places.map(({ topic, partition, offset }) => ({
      topicId: ids.get(topic)!,
      partitions: [partitionToFetch(partition, offset, BATCH_BYTES_MAX)],
    }));
    const options = { node, topics, minBytes: 0, maxWaitTime: 0 };
    const response = await fetchFrom(this.#lookups, options).catch((error) => {
      // One partition without such an offset fails them all; what the others hold is in the answer too.
      const answer = findErrorBy(error, 'apiId', 'OFFSET_OUT_OF_RANGE') && error.response;
      this.#lookups.clearMetadata();
      if (!answer) throw unavailable(error);
      return answer as FetchResponse;
    });
    return places.map(({ topic, partition }) => {
      const partitions = response.responses.filter(({ topicId }) => topicId === ids.get(topic));
      const data = partitions.flatMap((each) => each.partitions).find((p) => p.partitionIndex === partition);
      if (data && data.errorCode !== 0 && data.errorCode !== OFFSET_OUT_OF_RANGE)
        throw new LogUnavailable(
          `Kafka answers error ${data.errorCode} for partition ${partition} of ${topic}`,
        );
      const batches = data?.records?.slice(0, 1);
      return toRecords(batches, partition);
    });
  }

  /** Of one leader at a time: one that is silent must not keep those waiting who ask another. */
  async #offsetOf(topic: string, partition: number, timestamp: bigint): Promise<number> {
    const leader = await this.#leaderOf(this.#lookups, topic, partition);
    const ask = getOrMake(this.#offsets, `${leader} ${topic} ${timestamp}`, () =>
      coalesce(async (partitions: number[]) => {
        try {
          const wanted = { [topic]: [...new Set(partitions)] };
          const answer = await inTime(
            this.#lookups.listOffsets({ topics: [topic], partitions: wanted, timestamp }),
          );
          return partitions.map((each) => Number(answer.get(topic)![each]));
        } catch (error) {
          this.#lookups.clearMetadata();
          throw unavailable(error, topic);
        }
      }),
    );
    return ask(partition);
  }
}
