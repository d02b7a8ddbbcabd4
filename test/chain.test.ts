import { Bus } from '@stream-processing/runtime/announcements.ts';
import { expect, inject, onTestFinished, test } from 'vitest';
import { shareInstallation, whileLocked } from './shared-installation.ts';

const shared = shareInstallation();

/** In how many transactions the rows that one order leaves in the four schemas were written. */
async function transactionsOf(order_id: number): Promise<number> {
  const rows = await shared.sql<{ xmin: string; rows: number }[]>`
    select xmin::text, count(*)::int as rows from (
      select xmin from order_service.orders where id = ${order_id}
      union all select xmin from order_service.log where (data->>'order_id')::bigint = ${order_id}
      union all select xmin from billing_service.transfers where order_id = ${order_id}
      union all select xmin from billing_service.log where (data->>'order_id')::bigint = ${order_id}
      union all select xmin from notification_service.notifications where order_id = ${order_id}
    ) as all_rows group by xmin`;
  expect(rows.reduce((sum, { rows }) => sum + rows, 0)).toBe(5);
  return rows.length;
}

/** A confirmed order, with its letter. */
async function place(user_id: number): Promise<number> {
  const { status, body } = await shared.api.order(user_id, 1);
  expect({ status, body }).toMatchObject({ status: 201, body: { status: 'confirmed' } });
  const letters = await shared.api.letters(user_id);
  expect(letters.filter((letter) => letter.order_id === body.id)).toMatchObject([{ body: body.message }]);
  return body.id;
}

/** Orders until one of them takes so many transactions; a chain opens once nobody else is seen on the database. */
async function untilTransactions(user_id: number, expected: number) {
  await expect
    .poll(async () => transactionsOf(await place(user_id)), {
      timeout: 20_000,
      message: `an order is committed in ${expected} transactions`,
    })
    .toBe(expected);
}

/** An installation whose services share their transactions, with a user who has money. */
async function chained(): Promise<number> {
  const user_id = await shared.api.userWith(1_000_000);
  await untilTransactions(user_id, 1);
  return user_id;
}

test('in one process on one database an order is placed, paid, settled and told of in one transaction', async () => {
  const user_id = await chained();
  const ids = await Promise.all(Array.from({ length: 50 }, () => place(user_id)));
  expect(await Promise.all(ids.map(transactionsOf))).toEqual(Array(50).fill(1));
});

test('while another process works on the database each service commits by itself, and later together again', async () => {
  const user_id = await chained();
  const url = new URL(inject('postgresUrl'));
  const [row] = await shared.sql<{ name: string }[]>`select current_database() as name`;
  url.pathname = `/${row!.name}`;
  const other = new Bus();
  onTestFinished(() => other.close());
  other.join('order-service', url.href);
  await untilTransactions(user_id, 4);
  await other.close();
  await untilTransactions(user_id, 1);
});

test('a log that ends elsewhere than it was taken to costs nothing but the transaction', async () => {
  const user_id = await chained();
  const partition = user_id % 16;
  // As another instance would do it, but without a word: an event in between that means nothing to anybody.
  await shared.sql.begin(async (tx) => {
    await tx`update order_service.log_head set position = position + 1 where partition = ${partition}`;
    await tx`
      insert into order_service.log (partition, position, type, user_id, data, created_at)
      select ${partition}::int, position, 'Nothing', ${user_id}::bigint, '{}', now()
      from order_service.log_head where partition = ${partition}`;
  });
  await place(user_id);
  await untilTransactions(user_id, 1);
});

test('orders are taken while billing cannot write, and each is paid once afterwards', async () => {
  const user_id = await chained();
  const before = (await shared.api.account(user_id)).body.balance;
  const pending = await whileLocked(shared.sql, 'billing_service.accounts', () =>
    Promise.all(Array.from({ length: 20 }, () => shared.api.order(user_id, 1, { prefer: 'wait=0' }))),
  );
  expect(pending.map(({ status }) => status)).toEqual(Array(20).fill(202));
  await untilTransactions(user_id, 1);
  const statement = await shared.api.all('billing-service', `/accounts/${user_id}/transfers`);
  const paid = statement.filter((transfer) => pending.some(({ body }) => body.id === transfer.order_id));
  expect(paid).toHaveLength(20);
  expect(new Set(paid.map((transfer) => transfer.order_id)).size).toBe(20);
  expect((await shared.api.account(user_id)).body.balance).toBeLessThanOrEqual(before - 20);
});

test('a service that cannot save an event stands still alone; the others go on, and it follows once mended', async () => {
  const stuck = await chained();
  let other = stuck;
  while (other % 16 === stuck % 16) other = await shared.api.userWith(1000);
  const constraint = `check (user_id <> ${stuck}) not valid`;
  await shared.sql.unsafe(
    `alter table notification_service.notifications add constraint stuck ${constraint}`,
  );
  const order = await shared.api.order(stuck, 1);
  expect(order).toMatchObject({ status: 201, body: { status: 'confirmed' } });
  expect(await shared.api.get('notification-service', `/notifications?user_id=${stuck}`)).toMatchObject({
    status: 503,
    body: { code: 'not_fresh' },
  });
  await untilTransactions(other, 1);
  await shared.sql.unsafe('alter table notification_service.notifications drop constraint stuck');
  await expect
    .poll(() => shared.api.get('notification-service', `/notifications?user_id=${stuck}`), {
      timeout: 20_000,
      message: 'the partition goes on',
    })
    .toMatchObject({ status: 200 });
  expect((await shared.api.letters(stuck)).filter(({ order_id }) => order_id === order.body.id)).toHaveLength(
    1,
  );
});

test('what one transaction knows of accounts the next one goes on with, and locks nothing', async () => {
  const user_id = await chained();
  // Whoever would lock the accounts waits for this; whoever changes them does not.
  await shared.sql.begin(async (tx) => {
    await tx`select from billing_service.accounts for key share`;
    expect(await transactionsOf(await place(user_id))).toBe(1);
  });
});

test('an order is not refused for a balance that another instance has raised meanwhile', async () => {
  const user_id = await shared.api.userWith(1000);
  await untilTransactions(user_id, 1);
  const { balance } = (await shared.api.account(user_id)).body;
  expect((await shared.api.order(user_id, balance + 100)).body).toMatchObject({ status: 'failed' });
  // As another instance would do it, but without a word.
  const cash = -(2 * (user_id % 16) + 1);
  await shared.sql.begin(async (tx) => {
    await tx`
      with debited as (
        update billing_service.accounts set balance = balance - 10000, sequence = sequence + 1
        where id = ${cash} returning *
      ), credited as (
        update billing_service.accounts set balance = balance + 10000, sequence = sequence + 1
        where id = ${user_id} returning *
      )
      insert into billing_service.transfers (kind, amount, debit_account, debit_sequence, debit_balance,
        credit_account, credit_sequence, credit_balance, created_at)
      select 'deposit', 10000, d.id, d.sequence, d.balance, c.id, c.sequence, c.balance, now()
      from debited d, credited c`;
  });
  expect((await shared.api.order(user_id, balance + 100)).body).toMatchObject({ status: 'confirmed' });
  expect((await shared.api.account(user_id)).body).toMatchObject({ balance: 0 });
  await shared.api.deposit(user_id, 1000);
  await untilTransactions(user_id, 1);
});
