import type { ServiceName } from '@stream-processing/contracts/names.ts';
import type { Bus } from './announcements.ts';
import { coalesce } from './coalesce.ts';
import { type LogEvent, LogMissing, type LogReader } from './log.ts';
import { PositionWaits } from './position-waits.ts';
import { repeat } from './repeat.ts';
import type { Sql } from './sql.ts';
import { codeOf } from './sql-errors.ts';

export interface PostgresLogOptions {
  /** Into the database of the service that publishes the log, with the right to read that. */
  sql: Sql;
  service: ServiceName;
  bus: Bus;
  /** Net for lost wake-ups. */
  pollMs?: number;
}

const POLL_MS = 500;

// No such role, schema or table; invalid_schema_name and undefined_table come from older leftovers of an installation.
const MISSING = new Set(['22023', '3F000', '42P01']);

/**
 * Reads a log straight from the `log` table of the service that publishes it, through a role that may read nothing
 * else; what this process itself appended just now, from its tail. Questions of several partitions travel as one query. While that service has never started, calls reject with
 * LogMissing.
 */
export function postgresLog({ sql, service, bus, pollMs = POLL_MS }: PostgresLogOptions): LogReader {
  const ends = new PositionWaits();
  const closing = new AbortController();

  const stopHearing = bus.on(service, (news) => {
    for (const item of news) if (item.of === 'log') ends.reached(item.partition, item.position);
  });

  async function look() {
    for (const head of await sql<Head[]>`select partition, position from log_head`) {
      ends.reached(head.partition, Number(head.position));
    }
  }
  const looking = repeat(pollMs, closing.signal, look);

  const orMissing = (error: unknown): never => {
    throw MISSING.has(codeOf(error)) ? new LogMissing(`${service} has not created its log yet`) : error;
  };
  const read = coalesce((ranges: Range[]) => readRanges(sql, ranges).catch(orMissing));
  const end = coalesce((partitions: number[]) => readEnds(sql, partitions).catch(orMissing));

  const tail = bus.tail(service);
  return {
    async read(partition, after, max) {
      const newest = tail.read(partition, after, max);
      return newest.length > 0 ? newest : read({ partition, after, max });
    },
    end,
    wait: (partition, after, signal) => ends.until(partition, after + 1, signal),
    seen: (partition) => ends.known(partition),
    hint: (partition, position) => ends.reached(partition, position),
    async close() {
      closing.abort();
      stopHearing();
      await sql.end();
      await looking;
    },
  };
}

interface Range {
  partition: number;
  after: number;
  max: number;
}

interface Head {
  partition: number;
  position: bigint;
}

type Row = Omit<LogEvent, 'position' | 'user_id'> & { ordinal: number; position: bigint; user_id: bigint };

async function readRanges(sql: Sql, ranges: Range[]): Promise<LogEvent[][]> {
  const rows = await sql<Row[]>`
    select r.ordinal, l.* from unnest(
      ${ranges.map((_, i) => i)}::int[], ${ranges.map((r) => r.partition)}::int[],
      ${ranges.map((r) => r.after)}::bigint[], ${ranges.map((r) => r.max)}::int[]
    ) as r (ordinal, partition, after, max)
    cross join lateral (
      select * from log where log.partition = r.partition and log.position > r.after
      order by log.position limit r.max
    ) as l
    order by r.ordinal, l.position`;
  const events: LogEvent[][] = ranges.map(() => []);
  for (const { ordinal, position, user_id, ...rest } of rows) {
    events[ordinal]!.push({ ...rest, position: Number(position), user_id: Number(user_id) });
  }
  return events;
}

async function readEnds(sql: Sql, partitions: number[]): Promise<number[]> {
  const heads = await sql<
    Head[]
  >`select partition, position from log_head where partition = any(${partitions}::int[])`;
  const byPartition = new Map(heads.map((head) => [head.partition, Number(head.position)]));
  return partitions.map((partition) => {
    const position = byPartition.get(partition);
    if (position === undefined)
      throw new Error(`the log has no partition ${partition}: is PARTITIONS the same everywhere?`);
    return position;
  });
}
