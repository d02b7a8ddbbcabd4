/**
 * Lets old events go: those older than a set age that every follower has passed. Followers tell how far they are (a row in
 * this service's database), and from time to time whoever works on a partition removes from its front what nobody needs.
 *
 * Batches by primary key, each a short transaction that locks rows nobody else writes; how far it came is kept with them, so
 * that whoever asks for something older hears that it is gone (log-postgres.ts) rather than nothing.
 */
import type { ServiceName } from '@stream-processing/contracts/names.ts';
import type { Logger } from 'pino';
import { readCursors } from './cursors.ts';
import { LogMissing, type LogReader, LogUnavailable, type Passed } from './log.ts';
import { repeat } from './repeat.ts';
import type { Sql } from './sql.ts';
import { isConnectionLoss } from './sql-errors.ts';

/** The follower that copies the log to Kafka; where there is one, other services read the log there and not here. */
export const RELAY = 'kafka';

export interface RetentionOptions {
  /** Of the service's own database. */
  sql: Sql;
  /** The logs that the service follows. */
  logs: Map<ServiceName, LogReader>;
  /** How far the relay is; undefined: there is none. */
  relayed: (() => Passed[]) | undefined;
  /** Events that are younger stay; 0: all stay. */
  hours: number;
  /** The partitions that this instance works on. */
  held: () => number[];
  /** So many events went. */
  onRemoved: (events: number) => void;
  logger: Pick<Logger, 'debug' | 'info' | 'warn'>;
  tickMs?: number;
  /** The time that ages are counted from; PostgreSQL's, unless said otherwise: an instance's own clock may be wrong. */
  now?: () => Promise<Date>;
}

/** How often followers tell and old events go: often enough that what is too old is little beside what stays. */
const TICK_MS_MAX = 60_000;
const TICK_MS_MIN = 100;
const TICKS_PER_AGE = 60;
/** 16 to 27 ms each, on two cores; the next begins only when other statements had their turn. */
const BATCH = 5000;

/** Clocks of instances may differ by so much; what is stamped later than that comes from one that was wrong. */
const CLOCKS_MS_MAX = 3_600_000;

/** What a partition's removal ended at. */
export interface Removal {
  events: number;
  /** Who still needs events that are too old; undefined: nobody. */
  heldBackBy: string | undefined;
}

export class Retention {
  readonly #options: RetentionOptions;
  readonly #closing = new AbortController();
  readonly #ticking: Promise<void>;
  /** By follower: the partitions of which it still needs events that are too old; 0: of none any more. */
  readonly heldBack = new Map<string, number>();

  constructor(options: RetentionOptions) {
    this.#options = options;
    const { tickMs = tickOf(options.hours) } = options;
    this.#ticking = repeat(tickMs, this.#closing.signal, async () => {
      await this.#tell().catch((error) => this.#trouble('it cannot be told how far logs are applied', error));
      await this.#remove().catch((error) => this.#trouble('old events cannot be removed', error));
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#ticking;
  }

  /** What is durable, not what is in memory: the cursors as they stand in the database. */
  async #tell(): Promise<void> {
    const { sql, logs, relayed } = this.#options;
    if (relayed) await tellPassed(sql, RELAY, relayed());
    const cursors = await readCursors(sql);
    const told = [...logs].map(([source, log]) =>
      log.tellPassed(cursors.filter((cursor) => cursor.source === source)),
    );
    const failed = (await Promise.allSettled(told)).find(({ status }) => status === 'rejected');
    if (failed) throw (failed as PromiseRejectedResult).reason;
  }

  async #remove(): Promise<void> {
    const { sql, hours, held, relayed, onRemoved, logger } = this.#options;
    if (hours === 0) return;
    const now = await (this.#options.now?.() ?? timeOf(sql));
    const before = new Date(now.getTime() - hours * 3_600_000);
    const heldBack: string[] = [];
    let events = 0;
    for (const partition of held()) {
      if (this.#closing.signal.aborted) return;
      const removal = await removeOld(sql, {
        partition,
        before,
        now,
        isRelayed: relayed !== undefined,
        signal: this.#closing.signal,
      });
      events += removal.events;
      if (removal.heldBackBy) heldBack.push(removal.heldBackBy);
    }
    for (const follower of new Set([...this.heldBack.keys(), ...heldBack]))
      this.heldBack.set(follower, heldBack.filter((each) => each === follower).length);
    if (events > 0) {
      onRemoved(events);
      logger.info({ events, before }, 'old events removed');
    }
    for (const [follower, partitions] of this.heldBack)
      if (partitions > 0)
        logger.warn(
          { follower, partitions },
          'events older than LOG_RETENTION_HOURS are kept: a follower has not passed them',
        );
  }

  /** What passes by itself is done with the next tick. */
  #trouble(what: string, error: unknown): void {
    const passes = error instanceof LogMissing || error instanceof LogUnavailable || isConnectionLoss(error);
    this.#options.logger[passes ? 'debug' : 'warn']({ err: error }, what);
  }
}

function tickOf(hours: number): number {
  if (hours === 0) return TICK_MS_MAX;
  return Math.max(TICK_MS_MIN, Math.min((hours * 3_600_000) / TICKS_PER_AGE, TICK_MS_MAX));
}

async function timeOf(sql: Sql): Promise<Date> {
  const [row] = await sql<{ now: Date }[]>`select now()`;
  return row!.now;
}

/** A follower tells, in the database of the log that it follows. */
export async function tellPassed(sql: Sql, follower: string, passed: Passed[]): Promise<void> {
  await sql`select tell_passed(
    ${follower}, ${passed.map((p) => p.partition)}::int[], ${passed.map((p) => p.position)}::bigint[])`;
}

/**
 * Removes the events of one partition that were created before a moment and that every follower has passed, oldest first, up
 * to the first that must stay. While no follower ever told anything, all stay.
 */
export async function removeOld(
  sql: Sql,
  {
    partition,
    before,
    now,
    isRelayed,
    signal,
  }: { partition: number; before: Date; now: Date; isRelayed: boolean; signal?: AbortSignal },
): Promise<Removal> {
  const wrong = new Date(now.getTime() + CLOCKS_MS_MAX);
  let events = 0;
  for (;;) {
    const [row] = await sql<{ follower: string; removed: number; held_back: boolean }[]>`
      with slowest as (
        select follower, position from log_follower
        where partition = ${partition}::int and (follower = ${RELAY}) = ${isRelayed}
        order by position, follower limit 1
      ), floor as (
        -- two that remove the same partition take turns
        select position from log_floor where partition = ${partition}::int for update
      ), oldest as (
        select position, created_at from log
        where partition = ${partition}::int and position > (select position from floor)
          and position <= (select position from slowest) and created_at <= ${wrong}
        order by position limit ${BATCH}
      ), young as (
        -- instances' clocks differ: a younger one may stand before an older one. One from the future, not among these, is as old
        -- as what follows it, and goes with that
        select min(position) as position from oldest where created_at >= ${before}
      ), last as (
        select max(oldest.position) as position from oldest, young
        where created_at < ${before} and (young.position is null or oldest.position < young.position)
      ), removed as (
        delete from log
        where partition = ${partition}::int and position > (select position from floor)
          and position <= (select position from last)
        returning position
      ), moved as (
        update log_floor set position = (select max(position) from removed)
        where partition = ${partition}::int and exists (select from removed)
      )
      select follower, (select count(*)::int from removed) as removed, exists (
        select from log where partition = ${partition}::int and position = slowest.position + 1 and created_at < ${before}
      ) as held_back
      from slowest`;
    if (!row) return { events, heldBackBy: undefined };
    events += row.removed;
    if (row.removed < BATCH || signal?.aborted)
      return { events, heldBackBy: row.held_back ? row.follower : undefined };
  }
}
