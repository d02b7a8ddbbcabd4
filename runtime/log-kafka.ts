import { coalesce } from './coalesce.ts';
import { getOrMake } from './get-or-make.ts';
import type { Kafka } from './kafka.ts';
import type { KafkaFeed, Subscription } from './kafka-feed.ts';
import type { TopicRecord } from './kafka-records.ts';
import { newestIn, offsetAfter } from './kafka-search.ts';
import { type LogEvent, type LogReader, LogTruncated, LogUnavailable } from './log.ts';
import { PositionWaits } from './position-waits.ts';

export interface KafkaLogOptions {
  kafka: Kafka;
  /** May serve several logs. */
  feed: KafkaFeed;
  topic: string;
}

/** Events of a partition that are kept ahead of its processor; beyond, the broker keeps them. */
const AHEAD_MAX = 2048;
/** What is known to be there comes within this time, or the log does not answer. */
const ARRIVAL_MS_MAX = 5000;

/**
 * Reads a log from the Kafka topic that its service's relay fills. Positions stand in the records' headers: repetitions are
 * dropped by them, and offsets serve only to find them again (kafka-search.ts). While there is no topic, or nothing was
 * ever relayed into a partition, calls reject with LogMissing.
 */
export function kafkaLog({ kafka, feed, topic }: KafkaLogOptions): LogReader {
  const ends = new PositionWaits();
  const followers = new Map<number, Follower>();
  const closing = new AbortController();
  /** The last answer of each partition, and for what it was given. */
  const answered = new Map<number, { id: string; next: number; end: number }>();

  async function follow(partition: number, after: number, from?: number): Promise<Follower> {
    const begin = from ?? (await offsetAfter(kafka, topic, partition, after));
    const follower = new Follower({ topic, partition, after, begin, isWhole: from !== undefined, ends });
    // Two of one partition would take each other's records: somebody else may have followed it meanwhile.
    unfollow(partition);
    followers.set(partition, follower);
    feed.add(follower);
    return follower;
  }

  function unfollow(partition: number): void {
    const follower = followers.get(partition);
    if (follower) feed.remove(follower);
    followers.delete(partition);
  }

  /** The one that has everything after `after`, or gets it. */
  async function followerOf(partition: number, after: number): Promise<Follower> {
    const follower = followers.get(partition);
    return follower?.serves(after) ? follower : follow(partition, after);
  }

  /** By partition: one whose leader is silent must not keep the others' readers waiting. */
  const asking = new Map<number, (partition: number) => Promise<number>>();
  const end = (partition: number) =>
    getOrMake(asking, partition, () =>
      coalesce(async (same: number[]) => {
        const found = await endOf(partition);
        return same.map(() => found);
      }),
    )(partition);

  async function endOf(partition: number): Promise<number> {
    const next = await kafka.nextOffset(topic, partition);
    // Which topic's offset that is: one that was made anew begins again, and is perhaps not filled yet.
    const id = await kafka.idOf(topic, partition, next);
    const follower = followers.get(partition);
    const last = answered.get(partition);
    const known = last?.id === id ? last : undefined;
    // What it began behind it has not seen: a search can end in a batch that a paused instance wrote late, beyond newer events.
    const hasSeenAll =
      follower?.topicId === id && follower.next >= next && follower.begin <= (known?.next ?? 0);
    let found: number;
    if (known?.next === next) found = known.end;
    else if (known && hasSeenAll) found = Math.max(known.end, follower.end);
    else found = await newestIn(kafka, topic, partition, next);
    answered.set(partition, { id, next, end: found });
    // Not below what was seen before: a topic that lost records is filled again.
    return Math.max(found, ends.known(partition));
  }

  /** Is nothing to come of what the topic held when it was last asked? */
  function hasReadAll({ partition, topicId, next }: Follower): boolean {
    const known = answered.get(partition);
    return known !== undefined && (topicId ?? known.id) === known.id && next >= known.next;
  }

  return {
    async read(partition, after, max) {
      let follower = await followerOf(partition, after);
      follower.forget(after);
      if (follower.events.length === 0 && (await end(partition)) <= after) return [];
      // With nothing left to look at, what the end promises is still to come, or never will: said after a while.
      if (!hasReadAll(follower) || follower.isWhole) await follower.arrival(closing.signal);
      if (
        follower.events.length === 0 &&
        !follower.isWhole &&
        (follower.gap !== undefined || hasReadAll(follower))
      ) {
        // A repetition was taken for the place to begin at: look from the very first record on.
        const { first } = await kafka.offsetsOf(topic, partition);
        follower = await follow(partition, after, first);
        await follower.arrival(closing.signal);
      }
      if (follower.events.length === 0 && follower.gap !== undefined) {
        unfollow(partition);
        throw new LogTruncated(topic, partition, after + 1, follower.gap);
      }
      return follower.events.slice(0, max);
    },
    partitions: async () => (await kafka.leadersOf(topic)).leaders.length,
    end,
    async wait(partition, after, signal) {
      while (ends.known(partition) <= after && !signal.aborted) {
        await followerOf(partition, after);
        await ends.until(partition, after + 1, signal);
      }
    },
    leave: unfollow,
    seen: (partition) => ends.known(partition),
    // Brokers remove what is old, whoever has read it.
    tellPassed: async () => {},
    hint: (partition, position) => ends.reached(partition, position),
    async close() {
      closing.abort();
      for (const partition of [...followers.keys()]) unfollow(partition);
    },
  };
}

interface FollowerOptions {
  topic: string;
  partition: number;
  /** Positions up to here are not wanted. */
  after: number;
  /** The offset to begin at. */
  begin: number;
  /** Does it begin at the topic's first record? */
  isWhole: boolean;
  ends: PositionWaits;
}

/** What came of one partition and is not applied yet: the events right after `after`, without a gap. */
class Follower implements Subscription {
  readonly topic: string;
  readonly partition: number;
  readonly isWhole: boolean;
  readonly events: LogEvent[] = [];
  readonly begin: number;
  topicId?: string;
  next: number;
  /** How far the log is known to reach by what came. */
  end = 0;
  /** The oldest position that may still come, where the one that is wanted is not there. */
  gap: number | undefined;
  #after: number;
  /** Up to here positions are, or once were, in the topic. */
  #reach = 0;
  #isLost = false;
  readonly #ends: PositionWaits;
  #arrived = Promise.withResolvers<void>();

  constructor({ topic, partition, after, begin, isWhole, ends }: FollowerOptions) {
    this.topic = topic;
    this.partition = partition;
    this.#after = after;
    this.begin = begin;
    this.next = begin;
    this.isWhole = isWhole;
    this.#ends = ends;
  }

  serves(after: number): boolean {
    return !this.#isLost && after >= this.#after && after <= this.#last;
  }

  /** These are applied. */
  forget(after: number): void {
    this.events.splice(0, after - this.#after);
    this.#after = after;
  }

  /** Resolves when there is something to tell; rejects when that takes too long. */
  async arrival(closing: AbortSignal): Promise<void> {
    if (this.#hasNews) return;
    const late = AbortSignal.any([closing, AbortSignal.timeout(ARRIVAL_MS_MAX)]);
    const { promise, reject } = Promise.withResolvers<never>();
    const expire = () =>
      reject(new LogUnavailable(`partition ${this.partition} of ${this.topic} does not come`));
    late.addEventListener('abort', expire);
    await Promise.race([this.#arrived.promise, promise]).finally(() =>
      late.removeEventListener('abort', expire),
    );
  }

  isFull(): boolean {
    return this.events.length >= AHEAD_MAX;
  }

  deliver(records: TopicRecord[]): void {
    for (const { event, position, end } of records) {
      // Not ours.
      if (!event && end === 0) continue;
      this.end = Math.max(this.end, end);
      this.#reach = Math.max(this.#reach, position);
      if (position <= this.#last) continue;
      if (event && position === this.#last + 1) {
        this.events.push(event);
        this.gap = undefined;
      } else {
        // A record that only tells the end stands for events that went.
        this.gap ??= event ? position : position + 1;
      }
    }
    this.#tell();
  }

  lost(): void {
    this.#isLost = true;
    this.#tell();
    // Whoever waits has to follow anew.
    this.#ends.wake(this.partition);
  }

  get #last(): number {
    return this.#after + this.events.length;
  }

  #tell(): void {
    this.#ends.reached(this.partition, Math.max(this.#last, this.#reach));
    if (!this.#hasNews) return;
    this.#arrived.resolve();
    this.#arrived = Promise.withResolvers();
  }

  get #hasNews(): boolean {
    return this.events.length > 0 || this.gap !== undefined || this.#isLost;
  }
}
