/**
 * Wake-ups: after a commit a service announces how far its log and its cursors reach now. Consumers in the same
 * process hear it at once, and find the events themselves in the log's tail; other processes, if there are any, by one
 * coalesced NOTIFY on the service's own database, sent from a side connection after the commit (inside the transaction
 * it would serialize all commits of the server). An announcement may be lost; whoever waits also looks by itself from
 * time to time.
 */
import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import type { CursorMove } from './cursors.ts';
import { Listener } from './listener.ts';
import type { LogEvent } from './log.ts';
import type { Sql } from './sql.ts';
import { Tail } from './tail.ts';

export interface Announcement {
  /** What moved: the service's own log, what of it other services can see, or its cursor on another service's log. */
  of: 'log' | 'published' | ServiceName;
  partition: number;
  position: number;
}

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

  /** Brings in what other processes announce of `service`, whose database is at `url`. */
  listen(service: ServiceName, url: string): void {
    const listener =
      this.#listeners.get(url) ??
      new Listener(url, { name: 'stream-processing wake-ups', id: this.id, onNotify: this.#hear });
    this.#listeners.set(url, listener);
    this.#listenerOf.set(service, listener);
    listener.listen(service);
  }

  /** Is there another process that would hear a notification? Yes, too, when it is not known. */
  isHeardElsewhere(service: ServiceName): boolean {
    return this.#listenerOf.get(service)?.hasOthers(service) ?? true;
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

  readonly #hear = (service: string, payload: string): void => {
    const { from, news } = decode(payload);
    if (from === this.id) return;
    this.emit(service as ServiceName, news, 'elsewhere');
  };
}

/** Announces one service's commits. While one NOTIFY is under way the next ones merge into a single one. */
export class Announcer {
  readonly #service: ServiceName;
  readonly #sql: Sql;
  readonly #bus: Bus;
  readonly #pending = new Map<string, Announcement>();
  #sending: Promise<void> | undefined;

  constructor(service: ServiceName, sql: Sql, bus: Bus) {
    this.#service = service;
    this.#sql = sql;
    this.#bus = bus;
  }

  announce({ events, moves }: { events: LogEvent[]; moves: CursorMove[] }): void {
    this.#bus.tail(this.#service).add(events);
    this.tell(newsOf(events, moves));
  }

  tell(news: Announcement[]): void {
    if (news.length === 0) return;
    this.#bus.emit(this.#service, news, 'here');
    if (!this.#bus.isHeardElsewhere(this.#service)) return;
    for (const item of news) this.#pending.set(`${item.of} ${item.partition}`, item);
    this.#sending ??= this.#send();
  }

  async close(): Promise<void> {
    await this.#sending;
  }

  async #send(): Promise<void> {
    await new Promise(setImmediate);
    while (this.#pending.size > 0) {
      const payloads = encode(this.#bus.id, [...this.#pending.values()]);
      this.#pending.clear();
      const notify = this
        .#sql`select pg_notify(${this.#service}, payload) from unnest(${payloads}::text[]) as payload`;
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

// PostgreSQL takes at most 8,000 bytes a payload; an entry is at most about 45.
const ENTRIES_MAX = 150;
const ENTRY = /^([a-z-]+) (0|[1-9]\d{0,3}) (0|[1-9]\d{0,15})$/;

/** `sender;log 3 17;billing-service 3 4`, split over as many payloads as needed. */
export function encode(from: string, news: Announcement[]): string[] {
  const payloads: string[] = [];
  for (let i = 0; i < news.length; i += ENTRIES_MAX) {
    const entries = news.slice(i, i + ENTRIES_MAX).map((n) => `${n.of} ${n.partition} ${n.position}`);
    payloads.push([from, ...entries].join(';'));
  }
  return payloads;
}

/** Anybody with access to the database can notify: what is not an announcement is passed over. */
export function decode(payload: string): { from: string; news: Announcement[] } {
  const [from = '', ...entries] = payload.split(';');
  const news = entries.flatMap((entry) => {
    const [, of, partition, position] = ENTRY.exec(entry) ?? [];
    const item = { of, partition: Number(partition), position: Number(position) };
    const valid = of === 'log' || of === 'published' || (SERVICES as readonly string[]).includes(of ?? '');
    return valid && Number.isSafeInteger(item.position) ? [item as Announcement] : [];
  });
  return { from, news };
}
