import type { ServiceName } from '@stream-processing/contracts/names.ts';
import type { Sql, Tx } from './sql.ts';
import { codeOf } from './sql-errors.ts';

/** One step of one cursor: `source`'s partition was applied from `from` (exclusive) to `to` (inclusive). */
export interface CursorMove {
  source: ServiceName;
  partition: number;
  from: number;
  to: number;
}

type Owned = Pick<CursorMove, 'source' | 'partition'>;

/**
 * Compare-and-set, in the transaction of the effects: when another instance moved one of these cursors, it owns the
 * partition and its effects stand; the transaction fails, and `conflictOf` tells which cursors were lost.
 */
export function moveCursors(tx: Tx, moves: CursorMove[]): void {
  if (moves.length === 0) return;
  void tx`
    with m as (
      select * from unnest(
        ${moves.map((m) => m.source)}::text[], ${moves.map((m) => m.partition)}::int[],
        ${moves.map((m) => m.from)}::bigint[], ${moves.map((m) => m.to)}::bigint[]
      ) as m (source, partition, expected, next)
    ), moved as (
      update cursor c set position = m.next from m
      where c.source = m.source and c.partition = m.partition and c.position = m.expected
      returning c.source, c.partition
    ), lost as (
      select source, partition from m except all select source, partition from moved
    )
    select fail(${CONFLICT}, json_agg(lost)::text) from lost having count(*) > 0`;
}

const CONFLICT = 'SP001';

/** The cursors that a failed transaction found moved by another instance; undefined: it failed for another reason. */
export function conflictOf(error: unknown): Owned[] | undefined {
  return codeOf(error) === CONFLICT ? JSON.parse((error as Error).message) : undefined;
}

export async function createCursors(
  sql: Sql,
  sources: readonly ServiceName[],
  partitions: number,
): Promise<void> {
  await sql`
    insert into cursor (source, partition)
    select source, partition from unnest(${[...sources]}::text[]) as source,
      generate_series(0, ${partitions - 1}::int) as partition
    on conflict do nothing`;
}

export async function readCursors(
  sql: Sql,
): Promise<{ source: ServiceName; partition: number; position: number }[]> {
  const rows = await sql<{ source: ServiceName; partition: number; position: bigint }[]>`
    select source, partition, position from cursor`;
  return rows.map((row) => ({ ...row, position: Number(row.position) }));
}
