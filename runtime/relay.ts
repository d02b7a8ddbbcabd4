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
import type { Logger } from 'pino';
import { endMessage, type Message, toMessage } from './kafka-records.ts';
import { relayedIn } from './kafka-search.ts';
import { type LogEvent, LogMissing, LogTruncated, type Passed } from './log.ts';
import { Published, type PublishedOptions } from './published.ts';
import { repeat } from './repeat.ts';

export interface RelayOptions extends PublishedOptions {
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

type Messages = [Message, ...Message[]];

/** Everything in the topic's partition was too old. */
const EMPTY = Symbol('empty');

interface Resting {
  place: Place;
  disturbed: AbortController;
  /** A look is under way. */
  isChecked: boolean;
}

export class Relay {
  readonly #options: RelayOptions;
  readonly #topic: string;
  readonly published: Published;
  /** How far this instance's own relays are. What was heard of others may be the log's end, which the topic is still to reach. */
  readonly #places = new Map<number, number>();
  #creating: Promise<void> | undefined;
  #toldAt = Number.NEGATIVE_INFINITY;
  readonly #resting = new Map<number, Resting>();
  readonly #opening = new Map<number, PromiseWithResolvers<void>>();
  readonly #closing = new AbortController();
  readonly #checking: Promise<void>;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#topic = options.kafka.topicOf(options.service);
    this.published = new Published(options);
    this.#checking = repeat(CHECK_MS, this.#closing.signal, () => this.#check());
  }

  /** Events that are in the log, as far as heard of, and not in the topic. */
  lag(partition: number): number {
    const place = this.#places.get(partition) ?? this.published.known(partition);
    return Math.max(0, this.#options.log.seen(partition) - place);
  }

  /** How far what this instance relays is in the topic. */
  get relayed(): Passed[] {
    return [...this.#places].map(([partition, position]) => ({ partition, position }));
  }

  /** Resolves when every partition that is relayed here was looked at, so that others can be told its end; soon in any case. */
  async untilOpen(): Promise<void> {
    const opened = Promise.all([...this.#opening.values()].map(({ promise }) => promise));
    await Promise.race([opened, delay(OPEN_MS_MAX, undefined, { ref: false })]);
  }

  /** Relays the partition until the signal aborts. */
  async run(partition: number, signal: AbortSignal): Promise<void> {
    this.published.hold(partition, true);
    this.#opening.set(partition, Promise.withResolvers());
    signal.addEventListener('abort', () => {
      this.published.hold(partition, false);
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
    await this.published.close();
    await this.#checking;
  }

  async #relay(partition: number, signal: AbortSignal, onProgress: () => void): Promise<void> {
    const { log, kafka, logger } = this.#options;
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
      if (!(events instanceof LogTruncated) && events.length === 0) {
        place = await this.#rest(partition, place, signal);
        continue;
      }
      const { messages, reaches } = this.#toMessages(partition, events, end);
      const base = await kafka.send(messages);
      if (base !== next) {
        logger.warn({ partition, position, offset: base, expected: next }, 'the topic is not as it was left');
        // Records before this batch are gone: what they held must come again, and then this batch too.
        place = await this.#resume(partition, base < next ? base : undefined);
        this.#reached(partition, place.position);
        continue;
      }
      place = { position: reaches, next: base + messages.length, end };
      this.#reached(partition, place.position);
      onProgress();
    }
  }

  /** Nobody need wait for what cannot come, being removed: a record tells readers that it went. */
  #toMessages(partition: number, events: LogEvent[] | LogTruncated, end: number) {
    if (events instanceof LogTruncated) {
      const reaches = events.oldest - 1;
      const went = endMessage(this.#topic, partition, Math.max(end, reaches), reaches);
      return { messages: [went] as Messages, reaches };
    }
    const messages = events.map((event) =>
      toMessage(this.#topic, this.#options.service, event, event.position < end ? end : undefined),
    );
    return { messages: messages as Messages, reaches: events.at(-1)!.position };
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
    this.#resting.set(partition, { place, disturbed, isChecked: false });
    await this.#options.log.wait(partition, place.position, AbortSignal.any([signal, disturbed.signal]));
    this.#resting.delete(partition);
    if (signal.aborted || !disturbed.signal.aborted) return place;
    if (disturbed.signal.reason !== EMPTY) throw disturbed.signal.reason;
    return this.#open(partition, { ...place, end: await this.#options.log.end(partition) });
  }

  /** Looks whether the topic is as the relays at rest left it; not awaited, since one silent leader must not delay the others' next look. */
  async #check(): Promise<void> {
    for (const [partition, rest] of this.#resting) void this.#checkOne(partition, rest);
  }

  async #checkOne(partition: number, rest: Resting): Promise<void> {
    if (rest.isChecked) return;
    rest.isChecked = true;
    const offsets = await this.#options.kafka.offsetsOf(this.#topic, partition).catch((error) => {
      // Deleted: it has to be made again.
      if (error instanceof LogMissing) rest.disturbed.abort(error);
    });
    rest.isChecked = false;
    // Gone on meanwhile: no longer at rest.
    if (!offsets || this.#resting.get(partition) !== rest) return;
    const { first, next } = offsets;
    if (next !== rest.place.next)
      rest.disturbed.abort(new Error(`the topic ends at offset ${next} instead of ${rest.place.next}`));
    else if (first === next) rest.disturbed.abort(EMPTY);
  }

  #reached(partition: number, position: number): void {
    // Also below what is known, where a topic is filled anew.
    if (this.published.holds(partition)) this.#places.set(partition, position);
    if (position <= this.published.known(partition)) return;
    this.published.reached(partition, position);
    this.#options.onPublished(partition, position);
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
