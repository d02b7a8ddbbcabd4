import type { ServiceName } from '@stream-processing/contracts/names.ts';
import { Problem } from '@stream-processing/contracts/problems.ts';
import type { Announcement, Bus } from './announcements.ts';
import { coalesce } from './coalesce.ts';
import { readCursors } from './cursors.ts';
import type { Hearing } from './listener.ts';
import { LogMissing, type LogReader } from './log.ts';
import { Looking } from './looking.ts';
import { PositionWaits } from './position-waits.ts';
import type { Sql } from './sql.ts';
import { within } from './within.ts';

/** So long a reader waits for what he has to see. */
export const FRESH_MS = 2000;

/** Those who wait for what is applied of one partition. */
interface Watched {
  /** To be called when there may be news, each as often as it was given. */
  readonly looks: Map<() => void, number>;
  /** None where this instance works on the partition itself. */
  readonly hearings: Hearing[];
}

/**
 * How far this service, in whichever instance, has applied the logs that it follows; and fresh reads, which first
 * wait until that covers everything the logs held when the read came.
 */
export class Progress {
  readonly #service: ServiceName;
  readonly #sql: Sql;
  readonly #bus: Bus;
  readonly #logs: Map<ServiceName, LogReader>;
  readonly #applied: Map<ServiceName, PositionWaits>;
  /** Partitions that this instance works on. */
  readonly #held = new Set<number>();
  readonly #watched = new Map<number, Watched>();
  readonly #stopHearing: () => void;
  readonly #looking = new Looking({ look: () => this.#look(), isNeeded: () => this.#watched.size > 0 });

  constructor(service: ServiceName, sql: Sql, bus: Bus, logs: Map<ServiceName, LogReader>) {
    this.#service = service;
    this.#sql = sql;
    this.#bus = bus;
    this.#logs = logs;
    this.#applied = new Map([...logs.keys()].map((source) => [source, new PositionWaits()]));
    this.#stopHearing = bus.on(service, (news, where) => this.#hear(news, where));
  }

  /** This instance works on the partition from now on, or no more. */
  hold(partition: number, isHeld: boolean): void {
    if (isHeld) this.#held.add(partition);
    else this.#held.delete(partition);
    const watched = this.#watched.get(partition);
    if (!watched) return;
    this.#hearOthers(partition, watched);
    this.#lookFor(watched);
  }

  /**
   * Until released, `look` is called whenever another instance may have applied something of this partition. What this instance
   * applies is told by its own commits.
   */
  watch(partition: number, look: () => void = () => {}): () => void {
    let watched = this.#watched.get(partition);
    if (!watched) {
      watched = { looks: new Map(), hearings: [] };
      this.#watched.set(partition, watched);
      this.#hearOthers(partition, watched);
    }
    const { looks, hearings } = watched;
    looks.set(look, (looks.get(look) ?? 0) + 1);
    this.#lookFor(watched);
    return () => {
      const left = looks.get(look)! - 1;
      if (left > 0) looks.set(look, left);
      else looks.delete(look);
      if (looks.size > 0) return;
      this.#watched.delete(partition);
      for (const hearing of hearings.splice(0)) hearing.release();
    };
  }

  applied(source: ServiceName, partition: number): number {
    return this.#applied.get(source)!.known(partition);
  }

  /** Reads the cursors as they stand in the database, where other instances move them too. */
  async refresh() {
    const cursors = await readCursors(this.#sql);
    for (const { source, partition, position } of cursors)
      this.#applied.get(source)?.reached(partition, position);
    return cursors;
  }

  /** A cursor as it stands in the database. */
  readonly position = coalesce(async (asked: { source: ServiceName; partition: number }[]) => {
    const cursors = await this.refresh();
    return asked.map(
      ({ source, partition }) =>
        cursors.find((cursor) => cursor.source === source && cursor.partition === partition)!.position,
    );
  });

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
    this.#stopHearing();
    await this.#looking.close();
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
    const unwatch = this.watch(partition);
    await waits.until(partition, end, deadline);
    unwatch();
    if (waits.known(partition) < end) {
      const missing = end - waits.known(partition);
      throw new Problem('not_fresh', `${missing} events of ${source} are not applied yet.`);
    }
  }

  #lookFor({ hearings }: Watched): void {
    this.#looking.begin(hearings.some((hearing) => !hearing.isKnown()));
  }

  /** Or no more, where what is applied is known here. */
  #hearOthers(partition: number, { hearings }: Watched): void {
    for (const hearing of hearings.splice(0)) hearing.release();
    if (this.#held.has(partition)) return;
    for (const source of this.#logs.keys())
      hearings.push(this.#bus.hear(this.#service, source, partition, this.#looking.now));
  }

  /** The cursors in the database tell what nobody else did. */
  async #look(): Promise<void> {
    const looks = new Set([...this.#watched.values()].flatMap((watched) => [...watched.looks.keys()]));
    for (const look of looks) look();
    if ([...this.#applied.values()].some((waits) => waits.waiting)) await this.refresh();
  }

  #hear(news: Announcement[], where: 'here' | 'elsewhere'): void {
    for (const { of, partition, position } of news) {
      if (of === 'log' || of === 'published') continue;
      this.#applied.get(of)?.reached(partition, position);
      if (where === 'here') continue;
      for (const look of this.#watched.get(partition)?.looks.keys() ?? []) look();
    }
  }
}
