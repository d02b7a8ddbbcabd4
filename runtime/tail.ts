import type { LogEvent } from './log.ts';

/** Events of a partition that are kept at least, once so many were there; consumers are seldom further behind. */
const KEPT = 256;

/**
 * The newest events of one log, kept by the process that appended them after their commit: consumers in the same
 * process then need not ask the database. A run of positions without gaps in each partition: what other instances
 * append in between is in the database alone.
 */
export class Tail {
  readonly #partitions = new Map<number, LogEvent[]>();

  add(events: LogEvent[]): void {
    for (const event of events) {
      const run = this.#partitions.get(event.partition);
      if (run?.at(-1)?.position !== event.position - 1) this.#partitions.set(event.partition, [event]);
      else if (run.push(event) >= 2 * KEPT) run.splice(0, KEPT);
    }
  }

  /** Events above `after`, at most `max`; empty: they are not here, which says nothing about the log. */
  read(partition: number, after: number, max: number): LogEvent[] {
    const run = this.#partitions.get(partition);
    if (!run) return [];
    const start = after + 1 - run[0]!.position;
    return start < 0 ? [] : run.slice(start, start + max);
  }
}
