import { BILLING_EVENTS } from '@stream-processing/contracts/billing.ts';
import { resultLetter } from '@stream-processing/contracts/letters.ts';
import { ORDER_EVENTS } from '@stream-processing/contracts/orders.ts';
import { USER_EVENTS } from '@stream-processing/contracts/users.ts';
import { connect, type Sql } from '@stream-processing/runtime/sql.ts';
import Value from 'typebox/value';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createKeptDatabase } from '../test/database.ts';
import { startInstallation } from '../test/installation.ts';
import { until } from '../test/until.ts';
import { loadHistory } from './history.ts';

const SIZE = { rows: 2000, deepUser: 7, deepRows: 300, users: 50 };

let database: Awaited<ReturnType<typeof createKeptDatabase>>;
let sql: Sql;
let indexesBefore: unknown[];

beforeAll(async () => {
  database = await createKeptDatabase();
  await (await startInstallation(database.url)).stop();
  sql = connect(database.url, { max: 2, name: 'test', schema: 'public' });
  indexesBefore = await indexes();
  await loadHistory(database.url, { ...SIZE, onProgress() {} });
});

afterAll(async () => {
  await sql.end();
  await database.drop();
});

/** Names and definitions of all indexes and constraints. */
function indexes() {
  return sql`
    select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition from pg_index
    join pg_class c on c.oid = indrelid where relnamespace::regnamespace::text like '%_service'
    union all
    select conrelid::regclass || ' ' || conname, pg_get_constraintdef(oid) from pg_constraint
    where connamespace::regnamespace::text like '%_service'
    order by name`;
}

async function none(statement: string): Promise<void> {
  expect(await sql.unsafe(statement), statement).toEqual([]);
}

test('there are as many orders as were asked for, the deep user’s among the others', async () => {
  const [row] = await sql`
    select count(*)::int as orders, count(*) filter (where user_id = ${SIZE.deepUser})::int as deep,
      (count(*) filter (where user_id = ${SIZE.deepUser} and id <= 1000))::int as deep_in_half,
      count(distinct user_id)::int as users, min(id)::int as first, max(id)::int as last
    from order_service.orders where status = 'confirmed'`;
  expect(row).toEqual({ orders: 2000, deep: 300, deep_in_half: 150, users: 50, first: 1, last: 2000 });
  const [others] = await sql`
    select min(count)::int, max(count)::int from (
      select count(*) from order_service.orders where user_id <> ${SIZE.deepUser} group by user_id
    ) as o`;
  expect(others).toEqual({ min: 34, max: 35 });
});

test('the ledger holds: sums, sequences, running balances', async () => {
  const [row] =
    await sql`select sum(balance)::int as sum, count(*)::int as accounts from billing_service.accounts`;
  expect(row).toEqual({ sum: 0, accounts: 50 + 2 * 16 });
  const [kinds] = await sql`
    select count(*) filter (where kind = 'payment')::int as payments,
      count(*) filter (where kind = 'deposit')::int as deposits
    from billing_service.transfers`;
  expect(kinds).toEqual({ payments: 2000, deposits: 50 });
  const sides = `
    select debit_account as account, debit_sequence as sequence, debit_balance as balance, -amount as change, id, created_at
    from billing_service.transfers
    union all
    select credit_account, credit_sequence, credit_balance, amount, id, created_at from billing_service.transfers`;
  await none(`
    select * from (
      select *, row_number() over by_time as nth, sum(change) over by_time as sum
      from (${sides}) as s window by_time as (partition by account order by id)
    ) as s
    where sequence <> nth or balance <> sum`);
  await none(`
    select * from (
      select *, lag(created_at) over (partition by account order by sequence) as before from (${sides}) as s
    ) as s where created_at <= before`);
  await none(`
    select a.id from billing_service.accounts a
    left join (select distinct on (account) * from (${sides}) as s order by account, sequence desc) as newest
      on newest.account = a.id
    where (a.balance, a.sequence) is distinct from (newest.balance, newest.sequence)`);
});

test('each order has one payment, one letter, and one event of each kind, which agree', async () => {
  const rows = await sql`
    select o.id::int, o.user_id::int, o.price, o.message, o.created_at, n.body, n.subject, n.email, k.email as known,
      t.debit_account::int, t.credit_account::int, t.amount, t.created_at as decided_at,
      placed.data as placed, paid.data as paid,
      placed.partition = o.user_id % 16 and paid.partition = o.user_id % 16 as at_home
    from order_service.orders o
    join notification_service.notifications n on n.order_id = o.id and n.user_id = o.user_id
    join notification_service.known_users k on k.id = o.user_id
    join billing_service.transfers t on t.kind = 'payment' and t.order_id = o.id
    join order_service.log placed on placed.type = 'OrderPlaced' and (placed.data ->> 'order_id')::bigint = o.id
    join billing_service.log paid on paid.type = 'PaymentCompleted' and (paid.data ->> 'order_id')::bigint = o.id
    order by o.id`;
  expect(rows).toHaveLength(2000);
  for (const row of rows) {
    const { id, user_id, price } = row;
    const letter = resultLetter('ru', { order_id: id, price, currency: 'RUB', paid: true });
    expect({ subject: row.subject, body: row.body }).toEqual(letter);
    expect(row).toMatchObject({ message: letter.body, email: row.known, at_home: true });
    expect(row).toMatchObject({
      amount: price,
      debit_account: user_id,
      credit_account: -(2 * (user_id % 16) + 2),
    });
    const event = { order_id: id, user_id, price: Number(price) };
    expect(row.placed).toEqual({ ...event, placed_at: row.created_at.toISOString() });
    expect(row.paid).toEqual({ ...event, currency: 'RUB', decided_at: row.decided_at.toISOString() });
    expect(Value.Check(ORDER_EVENTS.OrderPlaced, row.placed)).toBe(true);
    expect(Value.Check(BILLING_EVENTS.PaymentCompleted, row.paid)).toBe(true);
  }
});

test('users are known everywhere, from their events', async () => {
  const rows = await sql`
    select u.*, l.data, b.locale as billing, o.locale as orders, n.locale as letters
    from user_service.users u
    join user_service.log l on l.user_id = u.id and l.partition = u.id % 16 and l.type = 'UserCreated'
    join billing_service.accounts b on b.id = u.id
    join order_service.known_users o on o.id = u.id
    join notification_service.known_users n on n.id = u.id and n.email = u.email`;
  expect(rows).toHaveLength(50);
  for (const { id, email, name, created_at, data, ...locales } of rows) {
    expect(locales).toEqual({ locale: 'ru', billing: 'ru', orders: 'ru', letters: 'ru' });
    const created = { user_id: Number(id), email, name, locale: 'ru', created_at: created_at.toISOString() };
    expect(data).toEqual(created);
    expect(Value.Check(USER_EVENTS.UserCreated, data)).toBe(true);
  }
});

test('positions are dense, heads are the newest, and everybody has applied everything', async () => {
  for (const schema of ['user_service', 'billing_service', 'order_service']) {
    await none(`
      select * from (
        select position, user_id, partition, row_number() over (partition by partition order by position) as nth
        from ${schema}.log
      ) as l where position <> nth or partition <> user_id % 16`);
    await none(`
      select * from ${schema}.log_head h
      where position <> (select coalesce(max(position), 0) from ${schema}.log l where l.partition = h.partition)`);
    for (const follower of ['billing_service', 'order_service', 'notification_service']) {
      await none(`
        select * from ${follower}.cursor c join ${schema}.log_head h using (partition)
        where c.source = '${schema.replace('_', '-')}' and c.position <> h.position`);
    }
  }
});

test('indexes and constraints are as they were, and nothing else is left', async () => {
  expect(await indexes()).toEqual(indexesBefore);
  await none(`select from pg_namespace where nspname = 'history'`);
});

test('a second history on the same installation is refused', async () => {
  const again = loadHistory(database.url, { ...SIZE, onProgress() {} });
  await expect(again).rejects.toThrow('this installation has a past already');
});

test('the services go on from there', async () => {
  const { api, stop } = await startInstallation(database.url);
  const { deepUser: user_id } = SIZE;
  const balance: number = (await api.account(user_id)).body.balance;
  const { body: order } = await api.order(user_id, 12.5);
  expect(order).toMatchObject({ id: 2001, status: 'confirmed' });
  expect((await api.account(user_id)).body.balance).toBe(balance - 12.5);
  const letters = await api.letters(user_id);
  expect(letters).toHaveLength(301);
  expect(letters.at(-1)).toMatchObject({ order_id: 2001, body: order.message });

  const orders = await api.all('order-service', `/orders?user_id=${user_id}&limit=70`);
  expect(orders).toHaveLength(301);
  expect(orders.map((row) => row.message)).toEqual(letters.map((letter) => letter.body));
  const statement = await api.all('billing-service', `/accounts/${user_id}/transfers?limit=70`);
  expect(statement.map((row) => row.sequence)).toEqual(Array.from({ length: 302 }, (_, i) => i + 1));
  expect(statement.at(-1)).toMatchObject({ kind: 'payment', order_id: 2001, balance: balance - 12.5 });

  const newcomer = await api.userWith(10);
  expect(newcomer).toBe(51);
  expect((await api.order(newcomer, 10)).body.status).toBe('confirmed');
  expect((await api.get('billing-service', '/trial-balance')).body).toMatchObject({ sum: 0, balanced: true });
  await until('all is applied', async () => (await api.letters(newcomer)).length === 1);
  await stop();
});
