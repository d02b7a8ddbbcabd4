import { setTimeout as delay } from 'node:timers/promises';
import { connect, type Sql } from '@stream-processing/runtime/sql.ts';
import { StartupError } from '@stream-processing/runtime/startup-error.ts';

const WAIT_MS_MAX = 5000;
const RETRY_MS = 100;
/** PostgreSQL that has not run for so long does not come back by itself; a restart takes less. */
const GONE_MS = 5000;

/**
 * Two processes must not share one data folder: the second would stop the database under the first. The owner holds a lock
 * on a connection; when PostgreSQL restarts and both are gone, it takes them again.
 */
export class Owner {
  readonly sql: Sql;
  /** Resolves when the server has ended, though nobody asked it to. */
  readonly gone: Promise<void>;
  readonly #isRunning: () => Promise<boolean>;
  #onGone!: () => void;
  readonly #closing = new AbortController();
  #retaking: Promise<void> | undefined;

  private constructor(url: string, isRunning: () => Promise<boolean>) {
    this.#isRunning = isRunning;
    this.gone = new Promise((resolve) => {
      this.#onGone = resolve;
    });
    this.sql = connect(url, {
      max: 1,
      name: 'stream-processing owner',
      schema: 'public',
      lasting: true,
      onclose: () => this.#retake(),
    });
  }

  /** Throws a StartupError where another process owns the folder. */
  static async of(url: string, dataDir: string, isRunning: () => Promise<boolean>): Promise<Owner> {
    const owner = new Owner(url, isRunning);
    const deadline = performance.now() + WAIT_MS_MAX;
    try {
      // The lock of an owner who was killed goes with its connection, in a moment.
      while (!(await owner.#take())) {
        if (performance.now() > deadline)
          throw new StartupError(`DATA_DIR: ${dataDir} is in use by another running stream-processing`);
        await delay(RETRY_MS);
      }
      return owner;
    } catch (error) {
      await owner.end();
      throw error;
    }
  }

  /** It remains the owner's for as long as the connection lasts. */
  async retakeNoMore(): Promise<void> {
    this.#closing.abort();
    await this.#retaking;
  }

  async end(): Promise<void> {
    await this.retakeNoMore();
    await this.sql.end();
  }

  async #take(): Promise<boolean> {
    const [row] = await this.sql<{ owned: boolean }[]>`select pg_try_advisory_lock(1) as owned`;
    return row!.owned;
  }

  #retake(): void {
    if (this.#closing.signal.aborted) return;
    this.#retaking ??= this.#untilTaken().finally(() => {
      this.#retaking = undefined;
    });
  }

  async #untilTaken(): Promise<void> {
    const { signal } = this.#closing;
    let seen = performance.now();
    while (!signal.aborted) {
      // While PostgreSQL is away nobody else can take it.
      if (await this.#take().catch(() => false)) return;
      if (await this.#isRunning()) seen = performance.now();
      else if (performance.now() - seen > GONE_MS) return this.#onGone();
      await delay(RETRY_MS, undefined, { signal, ref: false }).catch(() => {});
    }
  }
}
