import { expect, test } from 'vitest';
import { createToy, PARTITIONS, positions } from '../test/toy.ts';
import { append } from './append.ts';
import { Outbox } from './outbox.ts';
import type { Sql, Tx } from './sql.ts';

const now = new Date('2026-01-31T12:00:00.000Z');
const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

function outbox(...user_ids: number[]): Outbox {
  const outgoing = new Outbox(PARTITIONS);
  for (const [i, user_id] of user_ids.entries())
    outgoing.add({ type: 'Added', user_id, data: { value: i } }, i % 2 === 0 ? TRACE : null);
  return outgoing;
}

const write = (sql: Sql, outgoing: Outbox) => sql.begin((tx) => append(tx, outgoing, now));

/** The log's rows as events. */
async function log(sql: Sql) {
  const rows = await sql`select * from log order by partition, position`;
  return rows.map((row) => ({ ...row, position: Number(row.position), user_id: Number(row.user_id) }));
}

test('events are answered as they stand in the log, with the positions that they got', async () => {
  const { sql } = await createToy();
  await write(sql, outbox(1, 2));
  const appended = await write(sql, outbox(1, 5, 2, 1));
  const event = { type: 'Added', created_at: now };
  expect(appended).toEqual([
    { ...event, partition: 1, position: 2, user_id: 1, data: { value: 0 }, trace: TRACE },
    { ...event, partition: 1, position: 3, user_id: 5, data: { value: 1 }, trace: null },
    { ...event, partition: 2, position: 2, user_id: 2, data: { value: 2 }, trace: TRACE },
    { ...event, partition: 1, position: 4, user_id: 1, data: { value: 3 }, trace: null },
  ]);
  const byPlace = appended.toSorted((a, b) => a.partition - b.partition || a.position - b.position);
  expect((await log(sql)).filter(({ position }) => position > 1)).toEqual(byPlace);
});

test('heads say how far each partition reaches', async () => {
  const { sql } = await createToy();
  await write(sql, outbox(1, 2, 1));
  const heads = await sql`select partition, position::int from log_head order by partition`;
  expect(heads.map(({ position }) => position)).toEqual([0, 2, 1, 0]);
});

test('without events nothing is asked', async () => {
  const silent = (() => {
    throw new Error('a statement was asked');
  }) as unknown as Tx;
  expect(await append(silent, outbox(), now)).toEqual([]);
});

test('a log that ends where somebody relies on it to end is appended to', async () => {
  const { sql } = await createToy();
  await write(sql, outbox(1, 1));
  const relied = outbox(1, 2);
  expect(relied.assume(1, 2)).toBe(true);
  expect((await write(sql, relied)).map(({ position }) => position)).toEqual([3, 1]);
});

test.each([1, 3])('a log that ends elsewhere, relied on to end at %s, is left as it is', async (head) => {
  const { sql } = await createToy();
  await write(sql, outbox(1, 1));
  const relied = outbox(2, 1);
  expect(relied.assume(1, head)).toBe(true);
  await expect(write(sql, relied)).rejects.toThrow('null value in column "position"');
  expect(await positions(sql, 1)).toEqual([1, 2]);
  expect(await positions(sql, 2)).toEqual([]);
});
