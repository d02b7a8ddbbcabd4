import type { ServiceName } from '@stream-processing/contracts/names.ts';
import type { Sql, Tx } from './sql.ts';

/** One step of one cursor: `source`'s partition was applied from `from` (exclusive) to `to` (inclusive). */
export interface CursorMove {
  source: ServiceName;
  partition: number;
  from: number;
  to: number;
}

/** Another instance moved these cursors: it owns the partitions, and its effects stand. */
export class CursorConflict extends Error {
  readonly lost: CursorMove[];

  constructor(lost: CursorMove[]) {
    super(`another instance moved the cursor of ${lost.map((m) => `${m.source}/${m.partition}`).join(', ')}`);
    this.lost = lost;
  }
}

/** Compare-and-set, in the transaction of the effects; throws CursorConflict, which rolls them back. */
export async function moveCursors(tx: Tx, moves: CursorMove[]): Promise<void> {
  if (moves.length === 0) return;
  const moved = await tx<{ source: ServiceName; partition: number }[]>`
    update cursor c set position = m.next
    from unnest(
      ${moves.map((m) => m.source)}::text[], ${moves.map((m) => m.partition)}::int[],
      ${moves.map((m) => m.from)}::bigint[], ${moves.map((m) => m.to)}::bigint[]
    ) as m (source, partition, expected, next)
    where c.source = m.source and c.partition = m.partition and c.position = m.expected
    returning c.source, c.partition`;
  if (moved.length === moves.length) return;
  const kept = new Set(moved.map((m) => `${m.source}/${m.partition}`));
  throw new CursorConflict(moves.filter((m) => !kept.has(`${m.source}/${m.partition}`)));
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
