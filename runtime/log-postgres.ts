import type { ServiceName } from '@stream-processing/contracts/names.ts';
import type { Bus } from './announcements.ts';
import { coalesce } from './coalesce.ts';
import { getOrMake } from './get-or-make.ts';
import type { Hearing } from './listener.ts';
import { type LogEvent, LogMissing, type LogReader, LogTruncated, type Passed } from './log.ts';
import { PositionWaits } from './position-waits.ts';
import { repeat } from './repeat.ts';
import { tellPassed } from './retention.ts';
import type { Sql } from './sql.ts';
import { codeOf } from './sql-errors.ts';

export interface PostgresLogOptions {
  /** Into the database of the service that publishes the log, with the right to read that. */
  sql: Sql;
  service: ServiceName;
  /** Who reads. */
  follower: string;
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
export function postgresLog({
  sql,
  service,
  follower,
  bus,
  pollMs = POLL_MS,
}: PostgresLogOptions): LogReader {
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
  // What was announced before it is heard is in the table.
  const lookNow = () => void look().catch(() => {});

  // For as long as somebody follows the partition: a wait ends with every batch.
  const hearings = new Map<number, Hearing>();

  const orMissing = (error: unknown): never => {
    throw MISSING.has(codeOf(error)) ? new LogMissing(`${service} has not created its log yet`) : error;
  };
  const read = coalesce((ranges: Range[]) => readRanges(sql, service, ranges).catch(orMissing));
  const end = coalesce((partitions: number[]) => readEnds(sql, partitions).catch(orMissing));

  const tail = bus.tail(service);
  return {
    async read(partition, after, max) {
      const newest = tail.read(partition, after, max);
      if (newest.length > 0) return newest;
      const found = await read({ partition, after, max });
      if (found instanceof LogTruncated) throw found;
      return found;
    },
    async partitions() {
      const heads = await sql`select 1 from log_head`.catch(orMissing);
      if (heads.length === 0) throw new LogMissing(`${service} has not created its log yet`);
      return heads.length;
    },
    end,
    wait(partition, after, signal) {
      if (!signal.aborted) getOrMake(hearings, partition, () => bus.hear(service, 'log', partition, lookNow));
      return ends.until(partition, after + 1, signal);
    },
    leave(partition) {
      hearings.get(partition)?.release();
      hearings.delete(partition);
    },
    seen: (partition) => ends.known(partition),
    tellPassed: (passed: Passed[]) => tellPassed(sql, follower, passed).catch(orMissing),
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

/** One range's answer must not be another's error: what was removed is told in its place. */
async function readRanges(
  sql: Sql,
  service: ServiceName,
  ranges: Range[],
): Promise<(LogEvent[] | LogTruncated)[]> {
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
  // Looked at after the rows: what was removed meanwhile is below the floor by then.
  const doubtful = ranges.filter(({ after }, i) => events[i]![0]?.position !== after + 1);
  if (doubtful.length === 0) return events;
  const floors = await readFloors(sql, doubtful);
  return events.map((found, i) => {
    const { partition, after } = ranges[i]!;
    const floor = floors.get(partition) ?? 0;
    const isThere = found[0]?.position === after + 1;
    return isThere || after >= floor ? found : new LogTruncated(service, partition, after + 1, floor + 1);
  });
}

async function readFloors(sql: Sql, ranges: Range[]): Promise<Map<number, number>> {
  const floors = await sql<Head[]>`
    select partition, position from log_floor where partition = any(${ranges.map((r) => r.partition)}::int[])`;
  return new Map(floors.map((floor) => [floor.partition, Number(floor.position)]));
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
