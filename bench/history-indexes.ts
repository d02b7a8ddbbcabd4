import type { Tx } from '@stream-processing/runtime/sql.ts';

/**
 * Drops all indexes of a table and the constraints that rest on them, keys of other tables to and from it included.
 * Answers the statements that create them again; foreign keys come last, as they need the keys that they name.
 */
export async function dropIndexes(tx: Tx, table: string): Promise<string[]> {
  const constraints = await tx<{ owner: string; name: string; definition: string; foreign: boolean }[]>`
    select conrelid::regclass::text as owner, quote_ident(conname) as name, pg_get_constraintdef(oid) as definition,
      contype = 'f' as foreign
    from pg_constraint
    where contype in ('p', 'u', 'x', 'f') and ${table}::regclass in (conrelid, confrelid)
    order by contype = 'f'`;
  const indexes = await tx<{ name: string; definition: string }[]>`
    select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition
    from pg_index
    where indrelid = ${table}::regclass
      and not exists (select from pg_constraint where conindid = indexrelid and contype in ('p', 'u', 'x'))`;
  for (const { owner, name } of constraints.toReversed())
    await tx.unsafe(`alter table ${owner} drop constraint ${name}`);
  for (const { name } of indexes) await tx.unsafe(`drop index ${name}`);

  const added = constraints.map((constraint) => ({
    statement: `alter table ${constraint.owner} add constraint ${constraint.name} ${constraint.definition}`,
    foreign: constraint.foreign,
  }));
  return [
    ...indexes.map((index) => index.definition),
    ...added.filter((one) => !one.foreign).map((one) => one.statement),
    ...added.filter((one) => one.foreign).map((one) => one.statement),
  ];
}
