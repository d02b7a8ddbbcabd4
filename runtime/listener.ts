import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

const RETRY_MS = 500;

/**
 * One connection that listens to channels of one database, for ever: it comes back by itself after a loss. What was
 * notified meanwhile is lost, so listeners must also look by themselves. One a process and database: PostgreSQL wakes
 * every listening backend at every notification.
 */
export class Listener {
  readonly #url: string;
  readonly #name: string;
  readonly #onNotify: (channel: string, payload: string) => void;
  readonly #channels = new Set<string>();
  readonly #closing = new AbortController();
  #client: pg.Client | undefined;
  #connecting: Promise<void> | undefined;

  constructor(url: string, name: string, onNotify: (channel: string, payload: string) => void) {
    this.#url = url;
    this.#name = name;
    this.#onNotify = onNotify;
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
    await this.#client?.end().catch(() => {});
  }

  #connect(): void {
    this.#connecting ??= this.#connectUntilDone();
  }

  async #connectUntilDone(): Promise<void> {
    while (!this.#client && !this.#closing.signal.aborted) {
      const client = new pg.Client({
        connectionString: this.#url,
        application_name: this.#name,
        keepAlive: true,
        pipeline: true,
      } as pg.ClientConfig);
      client.on('notification', ({ channel, payload }) => this.#onNotify(channel, payload ?? ''));
      client.on('error', () => {});
      client.on('end', () => this.#lost(client));
      try {
        await client.connect();
        this.#client = client;
        await Promise.all([...this.#channels].map((channel) => this.#listenTo(client, channel)));
      } catch {
        await delay(RETRY_MS, undefined, { signal: this.#closing.signal, ref: false }).catch(() => {});
      }
    }
    this.#connecting = undefined;
    if (!this.#client && !this.#closing.signal.aborted) this.#connect();
  }

  #lost(client: pg.Client): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    if (!this.#closing.signal.aborted) this.#connect();
  }

  /** A failure here ends the connection, and with the next one every channel is listened to again. */
  async #listenTo(client: pg.Client, channel: string): Promise<void> {
    await client.query(`listen ${pg.escapeIdentifier(channel)}`).catch(() => client.end().catch(() => {}));
  }
}
