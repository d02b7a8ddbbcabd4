import type { ServiceName } from '@stream-processing/contracts/names.ts';
import { Problem } from '@stream-processing/contracts/problems.ts';
import type { Bus } from './announcements.ts';
import type { Kafka } from './kafka.ts';
import { newestIn } from './kafka-search.ts';
import type { LogReader } from './log.ts';
import { Looking } from './looking.ts';
import { PositionWaits } from './position-waits.ts';
import { FRESH_MS } from './progress.ts';
import type { Told } from './share.ts';

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
  readonly #waiting = new Set<{ since: number; partition: number }>();
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

  /** Does somebody wait for too long already? */
  get isBehind(): boolean {
    const [oldest] = this.#waiting;
    return oldest !== undefined && performance.now() - oldest.since > BEHIND_MS;
  }

  /** Resolves when others can read all events up to `position`; rejects with `outcome_unknown` when that takes too long. */
  async until(partition: number, position: number): Promise<void> {
    if (await this.#isReached(partition, position, AbortSignal.timeout(PUBLISH_MS_MAX))) return;
    throw new Problem('outcome_unknown', 'It is done, but the other services cannot hear of it for now.');
  }

  /** Resolves when others can see what a transaction tells its callers; undefined: they can already, or there is nothing to see. */
  untilTold({ ends, besides, isMore }: Told): Promise<void> | undefined {
    const { partitions, log } = this.#options;
    // An answer that is given again may be about any event, of which another instance knew whether it was published.
    const asked = isMore ? Array.from({ length: partitions }, (_, partition) => partition) : [...besides];
    const missing = [...ends].filter(([partition, position]) => this.known(partition) < position);
    if (missing.length === 0 && asked.length === 0) return undefined;
    return Promise.all([
      ...missing.map((end) => this.until(...end)),
      ...asked.map(async (partition) => this.until(partition, await log.end(partition))),
    ]).then(() => {});
  }

  /**
   * Resolves when others can see all that the log held for these partitions at the moment of the call, and so whatever was
   * read before; rejects with `not_fresh` when that cannot be had in time.
   */
  async untilVisible(partitions: number[]): Promise<void> {
    const deadline = AbortSignal.timeout(FRESH_MS);
    const all = partitions.map(async (partition) => {
      const end = await this.#options.log.end(partition);
      if (await this.#isReached(partition, end, deadline)) return;
      throw new Problem('not_fresh', 'The other services cannot see yet what is to be told.');
    });
    await Promise.all(all);
  }

  async close(): Promise<void> {
    this.#stopHearing();
    await this.#looking.close();
  }

  async #isReached(partition: number, position: number, deadline: AbortSignal): Promise<boolean> {
    if (this.known(partition) >= position) return true;
    const waiting = { since: performance.now(), partition };
    this.#waiting.add(waiting);
    const { service, bus } = this.#options;
    const hearing = this.holds(partition)
      ? undefined
      : bus.hear(service, 'published', partition, this.#looking.now);
    this.#looking.begin(hearing?.isKnown() === false);
    await this.#known.until(partition, position, deadline);
    hearing?.release();
    this.#waiting.delete(waiting);
    return this.known(partition) >= position;
  }

  /** For what other instances relay, should their announcement be lost. */
  async #look(): Promise<void> {
    const elsewhere = [...this.#waiting].flatMap(({ partition }) => (this.holds(partition) ? [] : partition));
    // At once, so that they share requests; and not awaited, since one whose leader is silent must not delay the others' next look.
    for (const partition of new Set(elsewhere)) void this.#lookAt(partition);
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
