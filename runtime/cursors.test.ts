import { expect, test } from 'vitest';
import { createToy, PARTITIONS, TOY_SOURCE } from '../test/toy.ts';
import { type CursorMove, conflictOf, createCursors, moveCursors, readCursors } from './cursors.ts';
import type { Sql, Tx } from './sql.ts';

const step = (partition: number, from: number, to: number): CursorMove => ({
  source: TOY_SOURCE,
  partition,
  from,
  to,
});

const move = (sql: Sql, ...moves: CursorMove[]) => sql.begin(async (tx) => moveCursors(tx, moves));

/** Of the toy's source, by partition. */
async function positions(sql: Sql): Promise<number[]> {
  const cursors = await readCursors(sql);
  return cursors.toSorted((a, b) => a.partition - b.partition).map(({ position }) => position);
}

test('every cursor begins at nothing', async () => {
  const { sql } = await createToy();
  const cursors = await readCursors(sql);
  expect(cursors.toSorted((a, b) => a.partition - b.partition)).toEqual(
    Array.from({ length: PARTITIONS }, (_, partition) => ({ source: TOY_SOURCE, partition, position: 0 })),
  );
});

test('to create cursors once more leaves them where they are, and adds those of a new source', async () => {
  const { sql } = await createToy();
  await move(sql, step(1, 0, 5));
  await createCursors(sql, [TOY_SOURCE, 'user-service'], PARTITIONS);
  const cursors = await readCursors(sql);
  expect(cursors).toHaveLength(2 * PARTITIONS);
  expect(cursors.filter(({ position }) => position > 0)).toEqual([
    { source: TOY_SOURCE, partition: 1, position: 5 },
  ]);
});

test('cursors move together, each from the position that is expected of it', async () => {
  const { sql } = await createToy();
  await move(sql, step(1, 0, 5), step(3, 0, 2));
  await move(sql, step(1, 5, 6));
  expect(await positions(sql)).toEqual([0, 6, 0, 2]);
});

test('with nothing to move nothing is asked', () => {
  const silent = (() => {
    throw new Error('a statement was asked');
  }) as unknown as Tx;
  expect(() => moveCursors(silent, [])).not.toThrow();
});

test.each([
  ['is ahead', step(1, 3, 6)],
  ['is behind', step(1, 6, 7)],
  ['is not there', step(PARTITIONS, 0, 1)],
])('where a cursor %s nothing is committed, and it is named', async (_how, late) => {
  const { sql } = await createToy();
  await move(sql, step(1, 0, 5));
  const failed = sql.begin(async (tx) => {
    await tx`insert into counters values (1, 1)`;
    moveCursors(tx, [step(2, 0, 1), late]);
  });
  const error = await failed.catch((reason) => reason);
  expect(conflictOf(error)).toEqual([{ source: TOY_SOURCE, partition: late.partition }]);
  expect(await positions(sql)).toEqual([0, 5, 0, 0]);
  expect(await sql`select * from counters`).toEqual([]);
});

test('every cursor that was lost is named', async () => {
  const { sql } = await createToy();
  const error = await move(sql, step(0, 1, 2), step(1, 0, 1), step(2, 1, 2)).catch((reason) => reason);
  expect(conflictOf(error)).toEqual(
    expect.arrayContaining([
      { source: TOY_SOURCE, partition: 0 },
      { source: TOY_SOURCE, partition: 2 },
    ]),
  );
  expect(conflictOf(error)).toHaveLength(2);
});

test('a transaction that failed for another reason lost no cursor', async () => {
  const { sql } = await createToy();
  const failed = sql.begin((tx) => tx`insert into counters values (1, 1000)`);
  const error = await failed.catch((reason) => reason);
  expect(error).toMatchObject({ code: '23514' });
  expect(conflictOf(error)).toBeUndefined();
  expect(conflictOf(new Error('something else'))).toBeUndefined();
});
