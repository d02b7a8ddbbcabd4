import type { ServiceName } from '@stream-processing/contracts/names.ts';
import { Problem } from '@stream-processing/contracts/problems.ts';
import type { Bus } from './announcements.ts';
import type { Told } from './answers.ts';
import { getOrMake } from './get-or-make.ts';
import type { Kafka } from './kafka.ts';
import { newestIn } from './kafka-search.ts';
import type { LogReader } from './log.ts';
import { Looking } from './looking.ts';
import { PositionWaits } from './position-waits.ts';
import { FRESH_MS } from './progress.ts';
import { within } from './within.ts';

export interface PublishedOptions {
  service: ServiceName;
  partitions: number;
  kafka: Kafka;
  /** The service's own log. */
  log: LogReader;
  bus: Bus;
}

/** A caller whose events are not visible to others by then is told that the outcome is unknown. */
const PUBLISH_MS_MAX = 10_000;
/** When somebody waits for so long, the next ones are refused rather than kept waiting too. */
const BEHIND_MS = 5000;
/** Not for each of thousands of requests a second. */
const COUNT_MS = 100;

/**
 * How far others can read this service's log in its Kafka topic, whichever instance relays it; and those who are not to be
 * told what others cannot see yet.
 */
export class Published {
  readonly #options: PublishedOptions;
  readonly #topic: string;
  readonly #known = new PositionWaits();
  /** Partitions that this instance relays. */
  readonly #held = new Set<number>();
  /** Since when somebody waits, by partition; the oldest first. */
  readonly #waiting = new Map<number, Set<{ since: number }>>();
  #isMostlyBehind = false;
  #countedAt = Number.NEGATIVE_INFINITY;
  readonly #stopHearing: () => void;
  readonly #looking = new Looking({ look: () => this.#look(), isNeeded: () => this.#waiting.size > 0 });
  /** A look at these is under way. */
  readonly #lookedAt = new Set<number>();

  constructor(options: PublishedOptions) {
    this.#options = options;
    this.#topic = options.kafka.topicOf(options.service);
    this.#stopHearing = options.bus.on(options.service, (news) => {
      for (const { of, partition, position } of news)
        if (of === 'published') this.reached(partition, position);
    });
  }

  known(partition: number): number {
    return this.#known.known(partition);
  }

  /** This instance relays the partition from now on, or no more: what it relays is known here. */
  hold(partition: number, isHeld: boolean): void {
    if (isHeld) this.#held.add(partition);
    else this.#held.delete(partition);
  }

  holds(partition: number): boolean {
    return this.#held.has(partition);
  }

  reached(partition: number, position: number): void {
    this.#known.reached(partition, position);
  }

  /** Does somebody wait for too long already, in this partition or, without one, in any? */
  isBehind(partition?: number): boolean {
    if (partition === undefined) return [...this.#waiting.keys()].some((each) => this.isBehind(each));
    const [oldest] = this.#waiting.get(partition) ?? [];
    return oldest !== undefined && performance.now() - oldest.since > BEHIND_MS;
  }

  /** Does that concern most partitions? Then brokers are away, and a request can be refused before it is read. */
  get isMostlyBehind(): boolean {
    const now = performance.now();
    if (now - this.#countedAt > COUNT_MS) {
      const behind = [...this.#waiting.keys()].filter((each) => this.isBehind(each)).length;
      this.#isMostlyBehind = 2 * behind > this.#options.partitions;
      this.#countedAt = now;
    }
    return this.#isMostlyBehind;
  }

  /**
   * Resolves when others can read all events up to `position`, or without one all that the log holds by now; rejects with
   * `outcome_unknown` when that takes too long.
   */
  async until(partition: number, position?: number): Promise<void> {
    if (await this.#isReached(partition, position, AbortSignal.timeout(PUBLISH_MS_MAX))) return;
    throw new Problem('outcome_unknown', 'It is done, but the other services cannot hear of it for now.');
  }

  /** Resolves when others can see what an answer tells, as `until`; undefined: they can already. */
  untilTold({ partition, position }: Told): Promise<void> | undefined {
    if (partition === undefined) {
      const { partitions } = this.#options;
      const all = Array.from({ length: partitions }, (_, each) => this.until(each));
      return Promise.all(all).then(() => {});
    }
    if (position !== undefined && this.known(partition) >= position) return undefined;
    return this.until(partition, position);
  }

  /**
   * Resolves when others can see all that the log held for these partitions at the moment of the call, and so whatever was
   * read before; rejects with `not_fresh` when that cannot be had in time.
   */
  async untilVisible(partitions: number[]): Promise<void> {
    const deadline = AbortSignal.timeout(FRESH_MS);
    const all = partitions.map(async (partition) => {
      if (await this.#isReached(partition, undefined, deadline)) return;
      throw new Problem('not_fresh', 'The other services cannot see yet what is to be told.');
    });
    await Promise.all(all);
  }

  async close(): Promise<void> {
    this.#stopHearing();
    await this.#looking.close();
  }

  /** `position`: undefined: of the log's end, which is asked for. Answers false when that is not so before the deadline. */
  async #isReached(partition: number, position: number | undefined, deadline: AbortSignal): Promise<boolean> {
    if (position !== undefined && this.known(partition) >= position) return true;
    const since = { since: performance.now() };
    const waiting = getOrMake(this.#waiting, partition, () => new Set());
    waiting.add(since);
    try {
      const end = position ?? (await within(deadline, this.#options.log.end(partition)));
      return await this.#hasReached(partition, end, deadline);
    } catch (error) {
      if (error === deadline.reason) return false;
      throw error;
    } finally {
      waiting.delete(since);
      if (waiting.size === 0) this.#waiting.delete(partition);
    }
  }

  async #hasReached(partition: number, position: number, deadline: AbortSignal): Promise<boolean> {
    if (this.known(partition) >= position) return true;
    const { service, bus } = this.#options;
    const hearing = this.holds(partition)
      ? undefined
      : bus.hear(service, 'published', partition, this.#looking.now);
    this.#looking.begin(hearing?.isKnown() === false);
    await this.#known.until(partition, position, deadline);
    hearing?.release();
    return this.known(partition) >= position;
  }

  /** For what other instances relay, should their announcement be lost. */
  async #look(): Promise<void> {
    // At once, so that they share requests; and not awaited, since one whose leader is silent must not delay the others' next look.
    for (const partition of this.#waiting.keys()) if (!this.holds(partition)) void this.#lookAt(partition);
  }

  async #lookAt(partition: number): Promise<void> {
    if (this.#lookedAt.has(partition)) return;
    this.#lookedAt.add(partition);
    const { kafka } = this.#options;
    try {
      const next = await kafka.nextOffset(this.#topic, partition);
      this.reached(partition, await newestIn(kafka, this.#topic, partition, next));
    } catch {
      // The next look comes soon, and whoever waits does so for a bounded time.
    } finally {
      this.#lookedAt.delete(partition);
    }
  }
}
