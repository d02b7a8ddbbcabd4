import { expect, onTestFinished, test } from 'vitest';
import { createDatabase } from '../test/database.ts';
import { idsAhead, nextIds } from './ids.ts';
import { connect, type Sql, type Tx } from './sql.ts';

async function connectToSequence(): Promise<Sql> {
  const sql = connect(await createDatabase(), { max: 1, name: 'test', schema: 'public' });
  onTestFinished(() => sql.end());
  await sql.unsafe('create sequence things_id');
  return sql;
}

const next = (tx: Tx, commands: string[], ahead?: number[]) => nextIds(tx, 'things_id', commands, ahead);
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

test('each command gets an id, in order, as the sequence gives them', async () => {
  const sql = await connectToSequence();
  const drawn = await sql.begin(async (tx) => [await next(tx, ['a', 'b']), await next(tx, ['a'])]);
  expect(drawn.map((ids) => [...ids])).toEqual([
    [
      ['a', 1],
      ['b', 2],
    ],
    [['a', 3]],
  ]);
});

test('no command asks nothing', async () => {
  const sql = await connectToSequence();
  await sql.begin((tx) => next(tx, []));
  expect(await sql.begin((tx) => next(tx, ['a']))).toEqual(new Map([['a', 1]]));
});

test('ids that were drawn ahead are used up before the sequence is asked for the rest', async () => {
  const sql = await connectToSequence();
  const ahead = await sql.begin((tx) => idsAhead(tx, 'things_id', [], 1));
  expect(ahead).toEqual(range(1, 64));
  const commands = Array.from({ length: 60 }, (_, i) => `c${i}`);
  expect([...(await sql.begin((tx) => next(tx, commands, ahead))).values()]).toEqual(range(1, 60));
  expect(ahead).toEqual(range(61, 64));
  expect([...(await sql.begin((tx) => next(tx, commands, ahead))).values()]).toEqual(range(61, 120));
  expect(ahead).toEqual([]);
});

test.each([
  { what: 'as many as were used are left', left: 5, used: 5, wanted: 5 },
  { what: 'one less is left', left: 4, used: 5, wanted: 4 + 64 },
  { what: 'many were used', left: 40, used: 100, wanted: 40 + 200 },
])('where $what, $wanted are ahead for the next transaction', async ({ left, used, wanted }) => {
  const sql = await connectToSequence();
  const before = range(1, left);
  await sql`select setval('things_id', ${left})`;
  expect(await sql.begin((tx) => idsAhead(tx, 'things_id', before, used))).toEqual(range(1, wanted));
});
