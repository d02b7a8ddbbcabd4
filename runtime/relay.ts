/**
 * Copies this service's log into its Kafka topic, partition by partition and in order: the log in PostgreSQL is the outbox,
 * Kafka distributes it. Which instance relays a partition is decided by the lease that also decides who works on it.
 *
 * A batch may be written twice (a crash before the acknowledgement, an instance that wakes up late): readers drop repetitions
 * by their positions. What must not be is a hole. So a relay begins behind the last position that it finds in the topic, sends
 * the next batch only when the one before is acknowledged, and looks again whenever the topic's offsets are not what its own
 * batches make them: somebody else wrote, or the topic lost records or was made anew.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ServiceName } from '@stream-processing/contracts/names.ts';
import { Problem } from '@stream-processing/contracts/problems.ts';
import type { Logger } from 'pino';
import type { Bus } from './announcements.ts';
import type { Kafka } from './kafka.ts';
import { endMessage, type Message, toMessage } from './kafka-records.ts';
import { newestIn, relayedIn } from './kafka-search.ts';
import { type LogEvent, LogMissing, type LogReader, LogTruncated, type Passed } from './log.ts';
import { Looking } from './looking.ts';
import { PositionWaits } from './position-waits.ts';
import { repeat } from './repeat.ts';
import type { Told } from './share.ts';

export interface RelayOptions {
  service: ServiceName;
  partitions: number;
  kafka: Kafka;
  /** The service's own log. */
  log: LogReader;
  bus: Bus;
  /** So far this instance relayed the partition. */
  onPublished: (partition: number, position: number) => void;
  logger: Logger;
}

/** Of 2 KB at most, which is what the longest name and address make of one, a batch fits a topic's usual bound of 1 MiB. */
const BATCH_MAX = 500;
/** How often a relay at rest looks whether the topic is as it left it. */
const CHECK_MS = 1000;
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 1000;
/** A caller whose events are not visible to others by then is told that the outcome is unknown. */
const PUBLISH_MS_MAX = 10_000;
/** When somebody waits for so long, the next ones are refused rather than kept waiting too. */
const BEHIND_MS = 5000;
const OPEN_MS_MAX = 10_000;
const TROUBLE_MS = 5000;

/** How far a relay is. */
interface Place {
  /** Of the last event in the topic. */
  position: number;
  /** The offset that its next record must get. */
  next: number;
  /** Where the log ended when this relay began. */
  end: number;
}

/** Everything in the topic's partition was too old. */
const EMPTY = Symbol('empty');

interface Resting {
  place: Place;
  disturbed: AbortController;
}

export class Relay {
  readonly #options: RelayOptions;
  readonly #topic: string;
  readonly #published = new PositionWaits();
  /** How far this instance's own relays are. What others are heard of may be the log's end, which the topic is still to reach. */
  readonly #places = new Map<number, number>();
  readonly #waiting = new Set<{ since: number; partition: number }>();
  #creating: Promise<void> | undefined;
  #toldAt = Number.NEGATIVE_INFINITY;
  readonly #resting = new Map<number, Resting>();
  readonly #opening = new Map<number, PromiseWithResolvers<void>>();
  readonly #closing = new AbortController();
  readonly #stopHearing: () => void;
  readonly #looking = new Looking({ look: () => this.#look(), isNeeded: () => this.#waiting.size > 0 });
  /** A look at these is under way. */
  readonly #lookedAt = new Set<number>();
  readonly #checking: Promise<void>;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#topic = options.kafka.topicOf(options.service);
    this.#stopHearing = options.bus.on(options.service, (news) => {
      for (const { of, partition, position } of news)
        if (of === 'published') this.#published.reached(partition, position);
    });
    this.#checking = repeat(CHECK_MS, this.#closing.signal, () => this.#check());
  }

  /** Events that are in the log, as far as heard of, and not in the topic. */
  lag(partition: number): number {
    const place = this.#places.get(partition) ?? this.#published.known(partition);
    return Math.max(0, this.#options.log.seen(partition) - place);
  }

  /** Does this instance relay the partition? */
  isAt(partition: number): boolean {
    return this.#opening.has(partition);
  }

  /** How far what this instance relays is in the topic. */
  get relayed(): Passed[] {
    return [...this.#places].map(([partition, position]) => ({ partition, position }));
  }

  /** Does somebody wait for too long already? */
  get isBehind(): boolean {
    const [oldest] = this.#waiting;
    return oldest !== undefined && performance.now() - oldest.since > BEHIND_MS;
  }

  /** Resolves when all events up to `position` can be read by others; rejects with `outcome_unknown` when that takes too long. */
  async published(partition: number, position: number): Promise<void> {
    if (this.#published.known(partition) >= position) return;
    const waiting = { since: performance.now(), partition };
    this.#waiting.add(waiting);
    const { service, bus } = this.#options;
    // What is relayed here is known here.
    const hearing = this.isAt(partition)
      ? undefined
      : bus.hear(service, 'published', partition, this.#looking.now);
    this.#looking.begin(hearing?.isKnown() === false);
    const late = AbortSignal.timeout(PUBLISH_MS_MAX);
    await this.#published.until(partition, position, late);
    hearing?.release();
    this.#waiting.delete(waiting);
    if (this.#published.known(partition) < position)
      throw new Problem('outcome_unknown', 'It is done, but the other services cannot hear of it for now.');
  }

  /** Resolves when others can see what a transaction told; undefined: they can already, or there is nothing to see. */
  toldBy({ ends, isMore }: Told): Promise<void> | undefined {
    if (isMore) return this.#publishedAll();
    const missing = [...ends].filter(([partition, position]) => this.#published.known(partition) < position);
    if (missing.length === 0) return undefined;
    return Promise.all(missing.map((end) => this.published(...end))).then(() => {});
  }

  /** An answer that is given again may be about any event, of which another instance knew whether it was published. */
  async #publishedAll(): Promise<void> {
    const { partitions, log } = this.#options;
    const all = Array.from({ length: partitions }, async (_, partition) =>
      this.published(partition, await log.end(partition)),
    );
    await Promise.all(all);
  }

  /** Resolves when every partition that is relayed here was looked at, so that others can be told its end; soon in any case. */
  async untilOpen(): Promise<void> {
    const opened = Promise.all([...this.#opening.values()].map(({ promise }) => promise));
    await Promise.race([opened, delay(OPEN_MS_MAX, undefined, { ref: false })]);
  }

  /** Relays the partition until the signal aborts. */
  async run(partition: number, signal: AbortSignal): Promise<void> {
    this.#opening.set(partition, Promise.withResolvers());
    signal.addEventListener('abort', () => {
      this.#opening.delete(partition);
      this.#places.delete(partition);
    });
    for (let ms = RETRY_MS_MIN; !signal.aborted; ms = Math.min(2 * ms, RETRY_MS_MAX)) {
      try {
        await this.#relay(partition, signal, () => {
          ms = RETRY_MS_MIN;
        });
      } catch (error) {
        if (signal.aborted) break;
        if (error instanceof LogMissing) await this.#createTopic();
        this.#tellTrouble(error, partition);
        await delay(ms, undefined, { signal, ref: false }).catch(() => {});
      }
    }
    this.#options.log.leave(partition);
  }

  /** For all partitions at once. */
  async #createTopic(): Promise<void> {
    const { service, kafka, partitions } = this.#options;
    this.#creating ??= kafka
      .createTopic(service, partitions)
      .catch(() => {})
      .finally(() => {
        this.#creating = undefined;
      });
    await this.#creating;
  }

  /** What troubles one partition troubles others too: told once in a while. */
  #tellTrouble(error: unknown, partition: number): void {
    if (performance.now() - this.#toldAt < TROUBLE_MS) return;
    this.#toldAt = performance.now();
    this.#options.logger.warn({ reason: (error as Error).message, partition }, 'relay interrupted');
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#stopHearing();
    await this.#looking.close();
    await this.#checking;
  }

  async #relay(partition: number, signal: AbortSignal, onProgress: () => void): Promise<void> {
    const { service, log, kafka, logger } = this.#options;
    let place = await this.#resume(partition);
    this.#opening.get(partition)?.resolve();
    this.#reached(partition, place.position);
    while (!signal.aborted) {
      const { position, next, end } = place;
      const events = await log.read(partition, position, BATCH_MAX).catch((error) => {
        if (!(error instanceof LogTruncated)) throw error;
        logger.warn({ reason: error.message }, 'the topic lacks events that are kept nowhere any more');
        return error;
      });
      if (events instanceof LogTruncated) {
        // Nobody need wait for what cannot come: all that others can ever read up to there is in the topic.
        place = { position: events.oldest - 1, next, end };
        this.#reached(partition, place.position);
        continue;
      }
      if (events.length === 0) {
        place = await this.#rest(partition, place, signal);
        continue;
      }
      const messages = events.map((event) =>
        toMessage(this.#topic, service, event, event.position < end ? end : undefined),
      );
      const base = await kafka.send(messages as [Message, ...Message[]]);
      if (base !== next) {
        logger.warn({ partition, position, offset: base, expected: next }, 'the topic is not as it was left');
        // Records before this batch are gone: what they held must come again, and then this batch too.
        place = await this.#resume(partition, base < next ? base : undefined);
        this.#reached(partition, place.position);
        continue;
      }
      place = { position: events.at(-1)!.position, next: base + messages.length, end };
      this.#reached(partition, place.position);
      onProgress();
    }
  }

  /**
   * Where to go on: behind the newest event below offset `before`, or of the whole topic. Until what the log holds now is
   * there too, records tell its end along: a reader must not take the last of them for the newest.
   */
  async #resume(partition: number, before?: number): Promise<Place> {
    const { kafka, log } = this.#options;
    const { first, next } = await kafka.offsetsOf(this.#topic, partition);
    const { position, event } = await relayedIn(kafka, this.#topic, partition, before ?? next);
    // Asked for after the topic, which can therefore not be ahead of it.
    const end = await log.end(partition);
    if (position > end) throw new ForeignTopic(`holds position ${position}, but the log ends at ${end}`);
    if (event && !(await this.#isOurs(event)))
      throw new ForeignTopic(`holds another event than the log at position ${position}`);
    const place = { position, next, end };
    return first === next ? this.#open(partition, place) : place;
  }

  /** A log that grew beyond what the topic holds of another one must not go on there. */
  async #isOurs({ partition, position, type, user_id, created_at }: LogEvent): Promise<boolean> {
    const [own] = await this.#options.log.read(partition, position - 1, 1).catch((error) => {
      // Too old to be compared.
      if (error instanceof LogTruncated) return [];
      throw error;
    });
    return (
      !own ||
      (own.type === type && own.user_id === user_id && own.created_at.getTime() === created_at.getTime())
    );
  }

  /** Nothing is in the topic, or everything was too old: whoever asks for the end must find something. */
  async #open(partition: number, place: Place): Promise<Place> {
    const base = await this.#options.kafka.send([
      endMessage(this.#topic, partition, place.end, place.position),
    ]);
    return { ...place, next: base + 1 };
  }

  /** Until there is more to relay; rejects when the topic is not as this relay left it. */
  async #rest(partition: number, place: Place, signal: AbortSignal): Promise<Place> {
    const disturbed = new AbortController();
    this.#resting.set(partition, { place, disturbed });
    await this.#options.log.wait(partition, place.position, AbortSignal.any([signal, disturbed.signal]));
    this.#resting.delete(partition);
    if (signal.aborted || !disturbed.signal.aborted) return place;
    if (disturbed.signal.reason !== EMPTY) throw disturbed.signal.reason;
    return this.#open(partition, { ...place, end: await this.#options.log.end(partition) });
  }

  /** Looks whether the topic is as the relays at rest left it. */
  async #check(): Promise<void> {
    const check = async ([partition, rest]: [number, Resting]) => {
      const offsets = await this.#options.kafka.offsetsOf(this.#topic, partition).catch((error) => {
        // Deleted: it has to be made again.
        if (error instanceof LogMissing) rest.disturbed.abort(error);
      });
      if (!offsets) return;
      const { first, next } = offsets;
      // Gone on meanwhile: no longer at rest.
      if (this.#resting.get(partition) !== rest) return;
      if (next !== rest.place.next)
        rest.disturbed.abort(new Error(`the topic ends at offset ${next} instead of ${rest.place.next}`));
      else if (first === next) rest.disturbed.abort(EMPTY);
    };
    await Promise.all([...this.#resting].map(check));
  }

  #reached(partition: number, position: number): void {
    // Also below what is known, where a topic is filled anew.
    if (this.isAt(partition)) this.#places.set(partition, position);
    if (position <= this.#published.known(partition)) return;
    this.#published.reached(partition, position);
    this.#options.onPublished(partition, position);
  }

  /** For what other instances relay, should their announcement be lost. */
  async #look(): Promise<void> {
    const elsewhere = [...this.#waiting].flatMap(({ partition }) => (this.isAt(partition) ? [] : partition));
    // At once, so that they share requests; and not awaited, since one whose leader is silent must not delay the others' next look.
    for (const partition of new Set(elsewhere)) void this.#lookAt(partition);
  }

  async #lookAt(partition: number): Promise<void> {
    if (this.#lookedAt.has(partition)) return;
    this.#lookedAt.add(partition);
    const { kafka } = this.#options;
    try {
      const next = await kafka.nextOffset(this.#topic, partition);
      this.#published.reached(partition, await newestIn(kafka, this.#topic, partition, next));
    } catch {
      // The next look comes soon, and whoever waits does so for a bounded time.
    } finally {
      this.#lookedAt.delete(partition);
    }
  }
}

class ForeignTopic extends Error {
  constructor(what: string) {
    super(
      `the topic ${what}: it belongs to another installation, or the database was put back to an older state; ` +
        'choose another KAFKA_TOPIC_PREFIX',
    );
  }
}
