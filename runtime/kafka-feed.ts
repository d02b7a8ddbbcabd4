/**
 * New records of many partitions as they come: one long poll under way at each broker, for all partitions that it leads.
 * No consumer group: who reads what is decided by the leases, and how far by the cursors.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Consumer } from '@platformatic/kafka';
import { getOrMake } from './get-or-make.ts';
import type { Kafka } from './kafka.ts';
import { isKafkaError, unavailable } from './kafka-errors.ts';
import { fetchFrom, OFFSET_OUT_OF_RANGE, partitionToFetch } from './kafka-fetch.ts';
import { type TopicRecord, toRecords } from './kafka-records.ts';
import { LogMissing } from './log.ts';

export interface Subscription {
  topic: string;
  partition: number;
  /** Of the topic as it was when first asked for. */
  topicId?: string;
  /** The offset to go on with. */
  next: number;
  /** Has it enough for now? */
  isFull(): boolean;
  /** Records from `next` on, in order. */
  deliver(records: TopicRecord[]): void;
  /** The topic no longer holds what was asked for; it is followed no more. */
  lost(): void;
}

/** A broker with no news answers after so long; a partition that is newly followed waits for that at most. */
const WAIT_MS = 250;
/** While somebody has enough for now, the broker is asked again sooner: room may come meanwhile. */
const WAIT_FULL_MS = 5;
const PARTITION_BYTES_MAX = 1_048_576;
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 1000;

export class KafkaFeed {
  readonly #kafka: Kafka;
  readonly #consumer: Consumer;
  readonly #subscriptions = new Set<Subscription>();
  readonly #polls = new Map<number, Promise<void>>();
  readonly #onTrouble: (error: unknown) => void;
  readonly #closing = new AbortController();
  /** How many were ever added: more than before a look at the brokers means that one may be missing there. */
  #added = 0;
  #assigning: Promise<void> | undefined;

  constructor(kafka: Kafka, clientId: string, onTrouble: (error: unknown) => void) {
    this.#kafka = kafka;
    this.#consumer = kafka.consumer(clientId);
    this.#onTrouble = onTrouble;
  }

  add(subscription: Subscription): void {
    this.#subscriptions.add(subscription);
    this.#added += 1;
    this.#assign();
  }

  remove(subscription: Subscription): void {
    this.#subscriptions.delete(subscription);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#subscriptions.clear();
    await this.#consumer.close().catch(() => {});
    await this.#assigning;
    await Promise.all(this.#polls.values());
  }

  /** Sees to it that each broker which leads a followed partition is polled. */
  #assign(): void {
    this.#assigning ??= this.#assignAll();
  }

  async #assignAll(): Promise<void> {
    for (let ms = RETRY_MS_MIN; !this.#closing.signal.aborted; ms = Math.min(2 * ms, RETRY_MS_MAX)) {
      try {
        // Again while somebody is added meanwhile.
        for (let known = -1; known !== this.#added; ) {
          known = this.#added;
          this.#pollAll(await this.#byLeader());
        }
        break;
      } catch (error) {
        this.#onTrouble(error);
        this.#forget();
        await this.#pause(ms);
      }
    }
    // In the same breath as the last look: who is added next must find that nobody looks any more.
    this.#assigning = undefined;
  }

  #pollAll(byLeader: Map<number, Followed[]>): void {
    for (const leader of byLeader.keys())
      if (!this.#polls.has(leader)) this.#polls.set(leader, this.#pollUntilIdle(leader));
  }

  async #pollUntilIdle(leader: number): Promise<void> {
    for (let ms = RETRY_MS_MIN; !this.#closing.signal.aborted; ) {
      try {
        const known = this.#added;
        const byLeader = await this.#byLeader();
        // A partition may have another leader by now without any fetch having failed for that.
        this.#pollAll(byLeader);
        const mine = byLeader.get(leader);
        if (mine) await this.#fetch(leader, mine);
        else if (known === this.#added) break;
        ms = RETRY_MS_MIN;
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        this.#onTrouble(error);
        this.#forget();
        await this.#pause(ms);
        ms = Math.min(2 * ms, RETRY_MS_MAX);
        // Its partitions may have other leaders now.
        this.#assign();
      }
    }
    // In the same breath as the last look, likewise.
    this.#polls.delete(leader);
  }

  async #byLeader(): Promise<Map<number, Followed[]>> {
    const byLeader = new Map<number, Followed[]>();
    for (const topic of new Set([...this.#subscriptions].map((s) => s.topic))) {
      // Asked by other connections: here an answer would wait behind a fetch that waits for news.
      const found = await this.#kafka.leadersOf(topic).catch((error) => {
        // Deleted: that must not keep the other topics' readers waiting.
        if (error instanceof LogMissing) return undefined;
        throw error;
      });
      if (!found) {
        for (const subscription of this.#subscriptions)
          if (subscription.topic === topic) this.#lose(subscription);
        continue;
      }
      const { id, leaders } = found;
      for (const subscription of this.#subscriptions) {
        if (subscription.topic !== topic) continue;
        subscription.topicId ??= id;
        if (subscription.topicId !== id) {
          // Made anew: its offsets mean something else.
          this.#lose(subscription);
          continue;
        }
        const leader = leaders[subscription.partition] ?? -1;
        getOrMake(byLeader, leader, () => []).push({ subscription, topicId: id });
      }
    }
    if (byLeader.delete(-1)) {
      // Elected soon; the others need not wait for that.
      this.#forget();
      void this.#pause(RETRY_MS_MIN).then(() => this.#assign());
    }
    return byLeader;
  }

  async #fetch(node: number, mine: Followed[]): Promise<void> {
    const wanting = mine.filter(({ subscription }) => !subscription.isFull());
    if (wanting.length === 0) return this.#pause(WAIT_FULL_MS);
    const topics = [...Map.groupBy(wanting, ({ topicId }) => topicId)].map(([topicId, followed]) => ({
      topicId,
      partitions: followed.map(({ subscription }) =>
        partitionToFetch(subscription.partition, subscription.next, PARTITION_BYTES_MAX),
      ),
    }));
    const maxWaitTime = wanting.length < mine.length ? WAIT_FULL_MS : WAIT_MS;
    const options = { node, topics, minBytes: 1, maxWaitTime };
    const response = await fetchFrom(this.#consumer, options).catch((error) => {
      this.#dropLost(error, wanting);
      throw unavailable(error, wanting[0]!.subscription.topic);
    });
    for (const { topicId, partitions } of response.responses) {
      for (const { partitionIndex, records } of partitions) {
        const found = wanting.find(
          (f) => f.topicId === topicId && f.subscription.partition === partitionIndex,
        );
        if (!found || !records || !this.#subscriptions.has(found.subscription)) continue;
        const { subscription } = found;
        // A batch comes whole, also when only its end was asked for.
        const fresh = toRecords(records, partitionIndex).filter(({ offset }) => offset >= subscription.next);
        const last = fresh.at(-1);
        if (!last) continue;
        subscription.next = last.offset + 1;
        subscription.deliver(fresh);
      }
    }
  }

  /** The answer tells which partitions hold no such offset; a topic that was made anew has another id. */
  #dropLost(error: unknown, wanting: Followed[]): void {
    const isOtherTopic =
      isKafkaError(error, 'UNKNOWN_TOPIC_ID') || isKafkaError(error, 'INCONSISTENT_TOPIC_ID');
    const responses: FetchAnswer[] =
      (error as { response?: { responses?: FetchAnswer[] } }).response?.responses ?? [];
    for (const { topicId, subscription } of wanting) {
      const isOutOfRange = responses
        .filter((answer) => answer.topicId === topicId)
        .flatMap(({ partitions }) => partitions)
        .some((p) => p.partitionIndex === subscription.partition && p.errorCode === OFFSET_OUT_OF_RANGE);
      if (!isOtherTopic && !isOutOfRange) continue;
      this.#lose(subscription);
    }
  }

  #lose(subscription: Subscription): void {
    this.#subscriptions.delete(subscription);
    subscription.lost();
  }

  #forget(): void {
    this.#consumer.clearMetadata();
    this.#kafka.forgetLeaders();
  }

  #pause(ms: number): Promise<void> {
    return delay(ms, undefined, { signal: this.#closing.signal, ref: false }).catch(() => {});
  }
}

interface Followed {
  subscription: Subscription;
  topicId: string;
}

interface FetchAnswer {
  topicId: string;
  partitions: { partitionIndex: number; errorCode: number }[];
}
