/**
 * Wake-ups: after a commit a service announces how far its log and its cursors reach now. Consumers in the same
 * process hear it at once, and find the events themselves in the log's tail; other processes, by notifications on the
 * service's own database, one for each channel, sent from a side connection after the commit (inside the transaction it would serialize all
 * commits of the server). Every log, cursor and partition is a channel of its own, which only those listen to who wait for it;
 * what nobody waits for is not sent. An announcement may be lost; whoever waits also looks by itself from time to time.
 */
import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import type { CursorMove } from './cursors.ts';
import { type Hearing, Listener } from './listener.ts';
import type { LogEvent } from './log.ts';
import type { Sql } from './sql.ts';
import { Tail } from './tail.ts';

export interface Announcement {
  /** What moved: the service's own log, what of it other services can see, or its cursor on another service's log. */
  of: 'log' | 'published' | ServiceName;
  partition: number;
  position: number;
}

/** No news from elsewhere: another process works for the service, or follows it. */
type Hear = (news: Announcement[], where: 'here' | 'elsewhere') => void;

/** Shared by the services of one process. */
export class Bus {
  readonly #emitter = new EventEmitter().setMaxListeners(0);
  readonly #listeners = new Map<string, Listener>();
  readonly #listenerOf = new Map<ServiceName, Listener>();
  readonly #tails = new Map<ServiceName, Tail>();
  /** Tells this process's own notifications from others'. */
  readonly id: string = randomUUID().slice(0, 8);

  emit(service: ServiceName, news: Announcement[], where: 'here' | 'elsewhere'): void {
    this.#emitter.emit(service, news, where);
  }

  on(service: ServiceName, hear: Hear): () => void {
    this.#emitter.on(service, hear);
    return () => void this.#emitter.off(service, hear);
  }

  /** This process runs or follows `service`, whose database is at `url`: others see that, and what they announce can be heard. */
  join(service: ServiceName, url: string): void {
    const listener =
      this.#listeners.get(url) ??
      new Listener(url, {
        name: 'stream-processing wake-ups',
        id: this.id,
        onOthers: (name) => this.emit(name as ServiceName, [], 'elsewhere'),
        onNotify: this.#onNotify,
      });
    this.#listeners.set(url, listener);
    this.#listenerOf.set(service, listener);
    listener.join(service);
  }

  /** Does another process run or follow the service? Yes, too, while it is not known. */
  isShared(service: ServiceName): boolean {
    return this.#listenerOf.get(service)?.hasOthers(service) ?? true;
  }

  /** `isShared` is to know at once of another process that comes. */
  heedOthers(service: ServiceName): void {
    this.#listenerOf.get(service)?.heed(service);
  }

  /** Would another process hear such an announcement? */
  isAwaited(service: ServiceName, of: Announcement['of']): boolean {
    return this.#listenerOf.get(service)?.hasOthers(`${service} ${of}`) ?? true;
  }

  /** Hears what other processes announce of this partition, until released; as Listener.listen. */
  hear(service: ServiceName, of: Announcement['of'], partition: number, onHeard: () => void): Hearing {
    const hearing = this.#listenerOf
      .get(service)
      ?.listen(channelOf(service, { of, partition }), `${service} ${of}`, onHeard);
    return hearing ?? NOT_HEARING;
  }

  /** What this process appended last to the log of `service`. */
  tail(service: ServiceName): Tail {
    const tail = this.#tails.get(service) ?? new Tail();
    this.#tails.set(service, tail);
    return tail;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#listeners.values()].map((listener) => listener.close()));
  }

  readonly #onNotify = (channel: string, payload: string): void => {
    const heard = decode(channel, payload);
    if (heard && heard.from !== this.id) this.emit(heard.service, [heard.news], 'elsewhere');
  };
}

/** Without a connection to the service's database. */
const NOT_HEARING: Hearing = { isKnown: () => false, release() {} };

/** Announces one service's commits. While one query is under way the news that come share the next one, a notification for each channel. */
export class Announcer {
  readonly #service: ServiceName;
  readonly #sql: Sql;
  readonly #bus: Bus;
  /** By channel. */
  readonly #pending = new Map<string, Announcement>();
  #sending: Promise<void> | undefined;
  #isForHere: (item: Announcement) => boolean = () => false;

  constructor(service: ServiceName, sql: Sql, bus: Bus) {
    this.#service = service;
    this.#sql = sql;
    this.#bus = bus;
  }

  announce({ events, moves }: { events: LogEvent[]; moves: CursorMove[] }): void {
    this.#bus.tail(this.#service).add(events);
    this.tell(newsOf(events, moves));
  }

  /** Nobody elsewhere waits for such news. */
  keepHere(isForHere: (item: Announcement) => boolean): void {
    this.#isForHere = isForHere;
  }

  tell(news: Announcement[]): void {
    if (news.length === 0) return;
    this.#bus.emit(this.#service, news, 'here');
    // Alone: one look for all news.
    if (!this.#bus.isShared(this.#service)) return;
    for (const item of news)
      if (this.#bus.isAwaited(this.#service, item.of) && !this.#isForHere(item))
        this.#pending.set(channelOf(this.#service, item), item);
    if (this.#pending.size > 0) this.#sending ??= this.#send();
  }

  async close(): Promise<void> {
    await this.#sending;
  }

  async #send(): Promise<void> {
    await new Promise(setImmediate);
    while (this.#pending.size > 0) {
      const channels = [...this.#pending.keys()];
      const payloads = [...this.#pending.values()].map((item) => encode(this.#bus.id, item));
      this.#pending.clear();
      const notify = this.#sql`
        select pg_notify(channel, payload) from unnest(${channels}::text[], ${payloads}::text[]) as n (channel, payload)`;
      // A lost notification costs listeners one poll interval, never an event.
      await notify.catch(() => {});
    }
    this.#sending = undefined;
  }
}

function newsOf(events: LogEvent[], moves: CursorMove[]): Announcement[] {
  const ends = new Map(events.map((event) => [event.partition, event.position]));
  return [
    ...[...ends].map(([partition, position]): Announcement => ({ of: 'log', partition, position })),
    ...moves.map((move): Announcement => ({ of: move.source, partition: move.partition, position: move.to })),
  ];
}

/** `order-service log 3`; 46 bytes at most, of the 63 that PostgreSQL tells apart. */
export function channelOf(
  service: ServiceName,
  { of, partition }: Pick<Announcement, 'of' | 'partition'>,
): string {
  return `${service} ${of} ${partition}`;
}

/** `sender 17` */
export function encode(from: string, { position }: Announcement): string {
  return `${from} ${position}`;
}

const CHANNEL = /^([a-z-]+) ([a-z-]+) (0|[1-9]\d{0,3})$/;
const PAYLOAD = /^(\S+) (0|[1-9]\d{0,15})$/;

/** Anybody with access to the database can notify: what is not an announcement is undefined. */
export function decode(
  channel: string,
  payload: string,
): { from: string; service: ServiceName; news: Announcement } | undefined {
  const [, service, of, partition] = CHANNEL.exec(channel) ?? [];
  const [, from, position] = PAYLOAD.exec(payload) ?? [];
  const isKnown = (name: string | undefined) => (SERVICES as readonly string[]).includes(name ?? '');
  if (!isKnown(service) || !(of === 'log' || of === 'published' || isKnown(of))) return undefined;
  if (from === undefined || !Number.isSafeInteger(Number(position))) return undefined;
  const news = { of, partition: Number(partition), position: Number(position) } as Announcement;
  return { from, service: service as ServiceName, news };
}
