import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { repeat } from './repeat.ts';
import { endWhenSilent, NOTICE_VANISHED, SILENT_MS_MAX } from './silence.ts';
import { asOptions } from './sql.ts';

export interface ListenerOptions {
  /** Shown in `pg_stat_activity`. */
  name: string;
  /** This process, among those of the same names. */
  id: string;
  /** Another process is there under a name that this one joined; called again and again. */
  onOthers: (name: string) => void;
  onNotify: (channel: string, payload: string) => void;
  /** As SqlOptions. */
  silent_ms_max?: number;
}

/** Somebody's wish to hear a channel. */
export interface Hearing {
  /** Has it been heard for so long that all who announce know of it? */
  isKnown(): boolean;
  release(): void;
}

const CONNECT_MS_MAX = 10_000;
const END_MS_MAX = 5000;
const RETRY_MS = 500;
const COUNT_MS = 1000;
/** A channel is listened to for so long after the last one let go: the next one follows soon, most often. */
const LINGER_MS = 30_000;
// Advisory locks, one for each name, that listening connections share, so that anybody can see who is there.
const LOCK_CLASS = 0x5350_ffff;

interface Channel {
  /** Under which others see that somebody listens. */
  name: string;
  wishes: number;
  /** When the last one let go. */
  leftAt: number;
  /** Since when it is heard; undefined: not yet. */
  heardAt: number | undefined;
  /** To be called when it is heard. */
  callbacks: (() => void)[];
}

/**
 * One connection to a database, for ever: under which names this process is there, which others are, and what is notified on the
 * channels that somebody here wants to hear at the moment. It comes back by itself after a loss. What was notified meanwhile,
 * or before others saw that somebody listens, is lost, so whoever waits must also look by himself.
 *
 * Channels are listened to only while they are wanted: PostgreSQL wakes every connection that listens to anything at every
 * notification of its database.
 */
export class Listener {
  readonly #url: string;
  readonly #options: ListenerOptions;
  readonly #names = new Set<string>();
  readonly #channels = new Map<string, Channel>();
  readonly #closing = new AbortController();
  #client: pg.Client | undefined;
  #connecting: Promise<void> | undefined;
  #syncing: Promise<void> | undefined;
  #isStale = false;
  /** What the connection holds. */
  #locked = new Set<string>();
  #listened = new Set<string>();
  /** Names that somebody asked about; of these, under which nobody else is there. */
  readonly #asked = new Set<string>();
  #alone = new Set<string>();
  /** Who made himself known since the last count began. */
  readonly #met = new Set<string>();
  readonly #counting: Promise<void>;

  constructor(url: string, options: ListenerOptions) {
    this.#url = url;
    this.#options = options;
    this.#counting = repeat(COUNT_MS, this.#closing.signal, async () => {
      this.#forget();
      await this.#count();
    });
    this.#connect();
  }

  /** From now on others see this process under `name`. */
  join(name: string): void {
    this.#names.add(name);
    this.#sync();
  }

  /** Learns at once of others that join under `name`, not within a second only. */
  heed(name: string): void {
    this.listen(name, name, () => {});
  }

  /** Is another process there under this name? One that came or went within the last second may not be known yet. True while nothing is known. */
  hasOthers(name: string): boolean {
    this.#asked.add(name);
    return !this.#alone.has(name);
  }

  /**
   * Wants to hear `channel`; others see under `name` that somebody does. `onHeard` is called when that begins, unless it is heard
   * already, and again after each loss: what was notified before has to be looked for. Once for all channels that begin together.
   */
  listen(channel: string, name: string, onHeard: () => void): Hearing {
    const found = this.#channels.get(channel);
    const wanted = found ?? { name, wishes: 0, leftAt: 0, heardAt: undefined, callbacks: [] };
    if (!found) this.#channels.set(channel, wanted);
    wanted.wishes += 1;
    wanted.callbacks.push(onHeard);
    if (!found) this.#sync();
    return {
      isKnown: () => wanted.heardAt !== undefined && performance.now() - wanted.heardAt > 2 * COUNT_MS,
      release: () => {
        wanted.wishes -= 1;
        wanted.leftAt = performance.now();
        wanted.callbacks.splice(wanted.callbacks.indexOf(onHeard), 1);
      },
    };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#connecting;
    // First: a question under way fails then, instead of being awaited.
    const ended = this.#client?.end().catch(() => {});
    await this.#counting;
    await this.#syncing;
    await Promise.race([ended, delay(END_MS_MAX, undefined, { ref: false })]);
  }

  #connect(): void {
    this.#connecting ??= this.#connectUntilDone();
  }

  async #connectUntilDone(): Promise<void> {
    while (!this.#client && !this.#closing.signal.aborted) {
      const client = new pg.Client({
        connectionString: this.#url,
        application_name: this.#options.name,
        keepAlive: true,
        connectionTimeoutMillis: CONNECT_MS_MAX,
        options: asOptions(NOTICE_VANISHED),
      });
      client.on('notification', ({ channel, payload = '' }) => {
        if (!this.#names.has(channel)) this.#options.onNotify(channel, payload);
        else if (payload !== this.#options.id) this.#meet(channel);
      });
      client.on('error', () => {});
      client.on('end', () => this.#lost(client));
      try {
        await client.connect();
        endWhenSilent(client, this.#options.silent_ms_max ?? SILENT_MS_MAX);
        this.#client = client;
        this.#sync();
      } catch {
        void client.end().catch(() => {});
        await delay(RETRY_MS, undefined, { signal: this.#closing.signal, ref: false }).catch(() => {});
      }
    }
    this.#connecting = undefined;
    if (!this.#client && !this.#closing.signal.aborted) this.#connect();
  }

  #lost(client: pg.Client): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    this.#locked.clear();
    this.#listened.clear();
    for (const channel of this.#channels.values()) channel.heardAt = undefined;
    this.#alone.clear();
    if (!this.#closing.signal.aborted) this.#connect();
  }

  /** Brings the connection to what is wanted; changes that come meanwhile, in one step after it. */
  #sync(): void {
    this.#isStale = true;
    this.#syncing ??= this.#syncUntilDone();
  }

  async #syncUntilDone(): Promise<void> {
    // What this turn wants goes together.
    await new Promise(setImmediate);
    while (this.#isStale && this.#client && !this.#closing.signal.aborted) {
      this.#isStale = false;
      await this.#syncOnce(this.#client);
    }
    // In the same breath as the last look: who wants something next must find that nobody is at it.
    this.#syncing = undefined;
  }

  async #syncOnce(client: pg.Client): Promise<void> {
    const channels = new Set(this.#channels.keys());
    const names = new Set([...this.#names, ...[...this.#channels.values()].map(({ name }) => name)]);
    const statements = [
      ...[...names.difference(this.#locked)].map((name) => `select ${lockOf('lock', name)}`),
      ...[...this.#names.difference(this.#locked)].map((name) => `select ${this.#greet(name)}`),
      ...[...channels.difference(this.#listened)].map((name) => `listen ${pg.escapeIdentifier(name)}`),
      ...[...this.#listened.difference(channels)].map((name) => `unlisten ${pg.escapeIdentifier(name)}`),
      ...[...this.#locked.difference(names)].map((name) => `select ${lockOf('unlock', name)}`),
    ];
    // A channel that was let go may be wanted again before that was told.
    if (statements.length === 0) return this.#tellHeard();
    try {
      await client.query(statements.join(';'));
    } catch {
      // With the next connection everything is asked for anew; not at once, since this may fail there too: a standby cannot listen.
      await delay(RETRY_MS, undefined, { signal: this.#closing.signal, ref: false }).catch(() => {});
      await client.end().catch(() => {});
      return;
    }
    if (this.#client !== client) return;
    this.#locked = names;
    this.#listened = channels;
    this.#tellHeard();
  }

  /** In the transaction of the lock: whoever hears it finds that. */
  #greet(name: string): string {
    return `pg_notify(${pg.escapeLiteral(name)}, ${pg.escapeLiteral(this.#options.id)})`;
  }

  #meet(name: string): void {
    this.#met.add(name);
    this.#alone.delete(name);
    this.#options.onOthers(name);
  }

  #tellHeard(): void {
    const callbacks = new Set<() => void>();
    for (const name of this.#listened) {
      const channel = this.#channels.get(name);
      if (!channel || channel.heardAt !== undefined) continue;
      channel.heardAt = performance.now();
      for (const callback of channel.callbacks) callbacks.add(callback);
    }
    for (const callback of callbacks) callback();
  }

  /** Channels that nobody wants any more. */
  #forget(): void {
    const before = performance.now() - LINGER_MS;
    const unwanted = [...this.#channels].filter(([, { wishes, leftAt }]) => wishes === 0 && leftAt < before);
    for (const [name] of unwanted) this.#channels.delete(name);
    if (unwanted.length > 0) this.#sync();
  }

  async #count(): Promise<void> {
    const client = this.#client;
    if (!client || this.#asked.size === 0) return;
    this.#met.clear();
    const { rows } = await client.query<{ name: string }>(
      `select name from unnest($1::text[]) as name except
      select name from unnest($1::text[]) as name join pg_locks on objid = hashtext(name)::oid
      where locktype = 'advisory' and classid = ${LOCK_CLASS}::oid and pid <> pg_backend_pid()
        and database = (select oid from pg_database where datname = current_database())`,
      [[...this.#asked]],
    );
    // Lost meanwhile: whoever came since then is not counted.
    if (this.#client !== client) return;
    this.#alone = new Set(rows.map(({ name }) => name)).difference(this.#met);
    for (const name of this.#asked.difference(this.#alone)) if (this.#names.has(name)) this.#meet(name);
  }
}

function lockOf(what: 'lock' | 'unlock', name: string): string {
  return `pg_advisory_${what}_shared(${LOCK_CLASS}, hashtext(${pg.escapeLiteral(name)}))`;
}
