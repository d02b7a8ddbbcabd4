import type { Tx } from './sql.ts';

/** Drawn ahead at least so many at once. */
const AHEAD_MIN = 64;

/**
 * An id for each command, before anything is decided: ids are data. Those of `ahead` are used up first, the rest is drawn
 * from the sequence. Unused ones leave gaps.
 */
export async function nextIds<Command>(
  tx: Tx,
  sequence: string,
  commands: Command[],
  ahead: number[] = [],
): Promise<Map<Command, number>> {
  const ids = ahead.splice(0, commands.length);
  if (ids.length < commands.length) ids.push(...(await draw(tx, sequence, commands.length - ids.length)));
  return new Map(commands.map((command, i) => [command, ids[i]!]));
}

/**
 * What is left of `ahead`, and more where as many commands as just now, `used`, would use it up: for the next transaction
 * of who alone draws from this sequence. (Of two, the one that rests would later give lower ids than the other already
 * has, behind the back of whoever pages through a list.)
 */
export async function idsAhead(tx: Tx, sequence: string, ahead: number[], used: number): Promise<number[]> {
  if (ahead.length >= used) return ahead;
  return [...ahead, ...(await draw(tx, sequence, Math.max(AHEAD_MIN, 2 * used)))];
}

async function draw(tx: Tx, sequence: string, count: number): Promise<number[]> {
  const rows = await tx<{ id: bigint }[]>`
    select nextval(${sequence}::regclass) as id from generate_series(1, ${count}::int)`;
  return rows.map(({ id }) => Number(id));
}
