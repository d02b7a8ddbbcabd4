import type { LogEvent } from './log.ts';
import type { Outbox } from './outbox.ts';
import type { Tx } from './sql.ts';

/**
 * Writes events into this service's log. Part of the transaction that changed what they speak of, and its last
 * statement: from here to the commit other writers of the same partitions wait.
 *
 * The heads are locked in ascending order (two writers never wait for each other crosswise), and held to commit:
 * a position can be seen only after all lower positions of its partition, and a rollback leaves no gap.
 */
export async function append(tx: Tx, outbox: Outbox, created_at: Date): Promise<LogEvent[]> {
  const { events, counts, heads } = outbox;
  if (events.length === 0) return [];
  const touched = [...counts.keys()];
  const rows = await tx<{ partition: number; before: bigint }[]>`
    with locked as materialized (
      select partition from log_head where partition = any(${touched}::int[]) order by partition for update
    ), moved as (
      update log_head h set position = h.position + e.count
      from unnest(
        ${touched}::int[], ${[...counts.values()]}::bigint[], ${touched.map((p) => heads.get(p) ?? null)}::bigint[]
      ) as e (partition, count, expected)
      where h.partition = e.partition and h.partition in (select partition from locked)
        and h.position = coalesce(e.expected, h.position)
      returning h.partition, h.position - e.count as before
    ), written as (
      insert into log (partition, position, type, user_id, data, trace, created_at)
      select e.partition, m.before + e.ordinal, e.type, e.user_id, e.data, e.trace, ${created_at}
      from unnest(
        ${events.map((event) => event.partition)}::int[], ${events.map((event) => event.ordinal)}::bigint[],
        ${events.map((event) => event.type)}::text[], ${events.map((event) => event.user_id)}::bigint[],
        ${events.map((event) => JSON.stringify(event.data))}::text[]::json[],
        ${events.map((event) => event.trace)}::text[]
      ) as e (partition, ordinal, type, user_id, data, trace)
      -- an event whose head did not move gets no position, which the table refuses
      left join moved m using (partition)
    )
    select partition, before from moved`;
  const before = new Map(rows.map((head) => [head.partition, Number(head.before)]));
  return events.map(({ type, user_id, data, trace, partition, ordinal }) => {
    const position = before.get(partition)! + ordinal;
    return { partition, position, type, user_id, data, trace, created_at };
  });
}
