import type { ServiceName } from '@stream-processing/contracts/names.ts';
import { Problem } from '@stream-processing/contracts/problems.ts';
import type { Announcement, Bus } from './announcements.ts';
import { readCursors } from './cursors.ts';
import { LogMissing, type LogReader } from './log.ts';
import { PositionWaits } from './position-waits.ts';
import { repeat } from './repeat.ts';
import type { Sql } from './sql.ts';

const FRESH_MS = 2000;
const POLL_MS = 500;

/**
 * How far this service, in whichever instance, has applied the logs that it follows; and fresh reads, which first
 * wait until that covers everything the logs held when the read came.
 */
export class Progress {
  readonly #sql: Sql;
  readonly #logs: Map<ServiceName, LogReader>;
  readonly #applied: Map<ServiceName, PositionWaits>;
  readonly #closing = new AbortController();
  readonly #stopHearing: () => void;
  readonly #polling: Promise<void>;

  constructor(service: ServiceName, sql: Sql, bus: Bus, logs: Map<ServiceName, LogReader>) {
    this.#sql = sql;
    this.#logs = logs;
    this.#applied = new Map([...logs.keys()].map((source) => [source, new PositionWaits()]));
    this.#stopHearing = bus.on(service, (news) => this.#hear(news));
    this.#polling = repeat(POLL_MS, this.#closing.signal, async () => {
      if ([...this.#applied.values()].some((waits) => waits.waiting)) await this.refresh();
    });
  }

  applied(source: ServiceName, partition: number): number {
    return this.#applied.get(source)!.known(partition);
  }

  /** Reads the cursors as they stand in the database, where other instances move them too. */
  async refresh(): Promise<void> {
    for (const cursor of await readCursors(this.#sql)) {
      this.#applied.get(cursor.source)?.reached(cursor.partition, cursor.position);
    }
  }

  /**
   * Resolves when everything that the followed logs held for this partition at the moment of the call is applied;
   * rejects with `not_fresh` when that cannot be had in time.
   */
  async fresh(partition: number, { except }: { except?: ServiceName } = {}): Promise<void> {
    const deadline = AbortSignal.timeout(FRESH_MS);
    const logs = [...this.#logs].filter(([source]) => source !== except);
    await Promise.all(logs.map(([source, log]) => this.#freshFrom(source, log, partition, deadline)));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#stopHearing();
    await this.#polling;
  }

  async #freshFrom(
    source: ServiceName,
    log: LogReader,
    partition: number,
    deadline: AbortSignal,
  ): Promise<void> {
    const end = await within(deadline, log.end(partition)).catch((error) => {
      const detail =
        error instanceof LogMissing ? `${error.message}.` : `The log of ${source} does not answer.`;
      throw new Problem('not_fresh', detail, { cause: error });
    });
    const waits = this.#applied.get(source)!;
    if (waits.known(partition) >= end) return;
    log.hint(partition, end);
    await waits.until(partition, end, deadline);
    if (waits.known(partition) < end) {
      const missing = end - waits.known(partition);
      throw new Problem('not_fresh', `${missing} events of ${source} are not applied yet.`);
    }
  }

  #hear(news: Announcement[]): void {
    for (const item of news) {
      if (item.of === 'log' || item.of === 'published') continue;
      this.#applied.get(item.of)?.reached(item.partition, item.position);
    }
  }
}

function within<T>(deadline: AbortSignal, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const expire = () => reject(deadline.reason);
    deadline.addEventListener('abort', expire);
    promise.then(resolve, reject).finally(() => deadline.removeEventListener('abort', expire));
  });
}
