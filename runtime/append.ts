import { type LogEvent, type NewEvent, partitionOf } from './log.ts';
import type { Tx } from './sql.ts';

export interface TracedEvent extends NewEvent {
  trace: string | null;
}

/**
 * Writes events at the end of this service's log and answers them as its readers will see them. Must be the last statement of the
 * transaction: from here to its commit, every other writer of these partitions waits.
 *
 * The heads are locked in ascending order (two writers never wait for each other crosswise), and held to commit:
 * a position can be seen only after all lower positions of its partition, and a rollback leaves no gap.
 */
export function append(
  tx: Tx,
  events: TracedEvent[],
  partitions: number,
  created_at: Date,
): Promise<LogEvent[]> {
  if (events.length === 0) return Promise.resolve([]);
  const counts = new Map<number, number>();
  const rows = events.map((event) => {
    const partition = partitionOf(event.user_id, partitions);
    const ordinal = (counts.get(partition) ?? 0) + 1;
    counts.set(partition, ordinal);
    return { event, partition, ordinal };
  });
  const touched = [...counts.keys()];

  const heads = tx<{ partition: number; before: bigint }[]>`
    with locked as materialized (
      select partition from log_head where partition = any(${touched}::int[]) order by partition for update
    ), moved as (
      update log_head h set position = h.position + e.count
      from unnest(${touched}::int[], ${[...counts.values()]}::bigint[]) as e (partition, count)
      where h.partition = e.partition and h.partition in (select partition from locked)
      returning h.partition, h.position - e.count as before
    ), written as (
      insert into log (partition, position, type, user_id, data, trace, created_at)
      select e.partition, m.before + e.ordinal, e.type, e.user_id, e.data, e.trace, ${created_at}
      from unnest(
        ${rows.map((row) => row.partition)}::int[], ${rows.map((row) => row.ordinal)}::bigint[],
        ${rows.map((row) => row.event.type)}::text[], ${rows.map((row) => row.event.user_id)}::bigint[],
        ${rows.map((row) => JSON.stringify(row.event.data))}::text[]::json[],
        ${rows.map((row) => row.event.trace)}::text[]
      ) as e (partition, ordinal, type, user_id, data, trace)
      left join moved m using (partition)
    )
    select partition, before from moved`;
  return heads.then((moved) => {
    const before = new Map(moved.map((head) => [head.partition, Number(head.before)]));
    return rows.map(({ event: { type, user_id, data, trace }, partition, ordinal }) => {
      const position = before.get(partition)! + ordinal;
      return { partition, position, type, user_id, data, trace, created_at };
    });
  });
}
