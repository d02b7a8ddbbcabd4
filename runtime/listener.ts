import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { repeat } from './repeat.ts';

export interface ListenerOptions {
  /** Shown in `pg_stat_activity`. */
  name: string;
  /** This process, as its notifications begin. */
  id: string;
  onNotify: (channel: string, payload: string) => void;
}

const RETRY_MS = 500;
const COUNT_MS = 1000;
// Advisory locks, one for each channel, that its listening connections share, so that listeners can be counted by anybody.
const LOCK_CLASS = 0x5350_ffff;

/**
 * One connection that listens to channels of one database, for ever: it comes back by itself after a loss. What was
 * notified meanwhile is lost, so listeners must also look by themselves. One a process and database: PostgreSQL wakes
 * every listening backend at every notification.
 */
export class Listener {
  readonly #url: string;
  readonly #options: ListenerOptions;
  readonly #channels = new Set<string>();
  readonly #closing = new AbortController();
  #client: pg.Client | undefined;
  #connecting: Promise<void> | undefined;
  readonly #counting: Promise<void>;
  /** Channels that nobody else listens to. */
  #alone = new Set<string>();

  constructor(url: string, options: ListenerOptions) {
    this.#url = url;
    this.#options = options;
    this.#counting = repeat(COUNT_MS, this.#closing.signal, () => this.#count());
  }

  /** Does anybody else listen to this channel? True while it is not known. */
  hasOthers(channel: string): boolean {
    return !this.#alone.has(channel);
  }

  /** Begins to listen; does not wait for it, since a listener that comes late harms nobody. */
  listen(channel: string): void {
    this.#channels.add(channel);
    if (this.#client) void this.#listenTo(this.#client, channel);
    else this.#connect();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#connecting;
    await this.#counting;
    await this.#client?.end().catch(() => {});
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
        pipeline: true,
      } as pg.ClientConfig);
      client.on('notification', ({ channel, payload = '' }) => {
        // Whoever begins to listen says so.
        if (!payload.startsWith(this.#options.id)) this.#alone.delete(channel);
        this.#options.onNotify(channel, payload);
      });
      client.on('error', () => {});
      client.on('end', () => this.#lost(client));
      try {
        await client.connect();
        this.#client = client;
        await Promise.all([...this.#channels].map((channel) => this.#listenTo(client, channel)));
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
    this.#alone.clear();
    if (!this.#closing.signal.aborted) this.#connect();
  }

  /** A failure here ends the connection, and with the next one every channel is listened to again. */
  async #listenTo(client: pg.Client, channel: string): Promise<void> {
    try {
      await client.query(`select pg_advisory_lock_shared(${LOCK_CLASS}, hashtext($1))`, [channel]);
      await client.query(`listen ${pg.escapeIdentifier(channel)}`);
      await client.query('select pg_notify($1, $2)', [channel, this.#options.id]);
    } catch {
      await client.end().catch(() => {});
    }
  }

  async #count(): Promise<void> {
    const client = this.#client;
    if (!client) return;
    const { rows } = await client.query<{ channel: string }>(
      `select channel from unnest($1::text[]) as channel join pg_locks on objid = hashtext(channel)::oid
      where locktype = 'advisory' and classid = ${LOCK_CLASS}::oid
        and database = (select oid from pg_database where datname = current_database())
      group by channel having bool_and(pid = pg_backend_pid())`,
      [[...this.#channels]],
    );
    // Lost meanwhile: whoever came since then is not counted.
    if (this.#client === client) this.#alone = new Set(rows.map(({ channel }) => channel));
  }
}
