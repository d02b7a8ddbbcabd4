import type { Tx } from './sql.ts';

/** Draws an id for each command from a sequence, before anything is decided: ids are data. Unused ones leave gaps. */
export async function nextIds<Command>(
  tx: Tx,
  sequence: string,
  commands: Command[],
): Promise<Map<Command, number>> {
  if (commands.length === 0) return new Map();
  const rows = await tx<{ id: bigint }[]>`
    select nextval(${sequence}::regclass) as id from generate_series(1, ${commands.length}::int)`;
  return new Map(commands.map((command, i) => [command, Number(rows[i]!.id)]));
}
