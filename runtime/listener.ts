import { setTimeout as delay } from 'node:timers/promises';
import postgres from 'postgres';

const RETRY_MS = 500;

/**
 * One connection that listens to channels of one database, for ever: it comes back by itself after a loss. What was
 * notified meanwhile is lost, so listeners must also look by themselves. One a process and database: PostgreSQL wakes
 * every listening backend at every notification.
 */
export class Listener {
  readonly #sql: postgres.Sql;
  readonly #wanted = new Set<string>();
  readonly #listening = new Set<string>();
  readonly #closing = new AbortController();
  #working: Promise<void> | undefined;

  constructor(url: string, name: string, onNotify: (channel: string, payload: string) => void) {
    const options = {
      max: 1,
      idle_timeout: 0,
      max_lifetime: null,
      fetch_types: false,
      connection: { application_name: name },
      // Read by the driver but missing in its types; its own `listen` gives up when a reconnection fails.
      onnotify: onNotify,
      onclose: () => {
        this.#listening.clear();
        this.#work();
      },
    };
    this.#sql = postgres(url, options);
  }

  /** Begins to listen; resolves at once, since a listener that comes late harms nobody. */
  listen(channel: string): void {
    this.#wanted.add(channel);
    this.#work();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#sql.end({ timeout: 1 });
    await this.#working;
  }

  #work(): void {
    this.#working ??= this.#listenToAll();
  }

  async #listenToAll(): Promise<void> {
    // Let the caller's other channels come along.
    await new Promise(setImmediate);
    for (;;) {
      const missing = [...this.#wanted].filter((channel) => !this.#listening.has(channel));
      if (missing.length === 0 || this.#closing.signal.aborted) break;
      try {
        for (const channel of missing) await this.#sql`listen ${this.#sql(channel)}`;
        for (const channel of missing) this.#listening.add(channel);
      } catch {
        await delay(RETRY_MS, undefined, { signal: this.#closing.signal, ref: false }).catch(() => {});
      }
    }
    this.#working = undefined;
  }
}
