import { expect, test } from 'vitest';
import { Database } from './database.ts';

test('the PostgreSQL inside this process is put back to the byte', async () => {
  const database = await Database.create(3, () => []);
  const firstDay = () => database.reset({} as never);
  const seen = () =>
    database.look(
      (tx) => tx.in('order_service')`
        select (select count(*) from orders) as orders, nextval('order_id') as id, pg_current_xact_id()::text as xid,
          pg_relation_size('orders') as bytes, to_regclass('made_later')::text as made_later`,
    );
  firstDay();
  const before = await seen();
  expect(before).toMatchObject([{ orders: 0n, id: 1n, bytes: 0n, made_later: null }]);
  await database.look(async (tx) => {
    await tx.in('order_service')`
      insert into orders select n, 1, 5, 'pending', null, now() from generate_series(1, 20000) as n`;
    await tx.in('order_service')`create table made_later (n int)`;
  });
  const [after] = await seen();
  expect(after).toMatchObject({ orders: 20000n, id: 2n, made_later: 'made_later' });
  expect(Number(after!.bytes)).toBeGreaterThan(2 ** 20);
  firstDay();
  expect(await seen()).toEqual(before);
});
