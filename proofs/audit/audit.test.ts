import { beforeAll, expect, inject, test } from 'vitest';
import { run } from '../../test/processes.ts';
import { shareInstallation } from '../../test/shared-installation.ts';
import { audit, INVARIANTS, looksOf } from './audit.ts';

const shared = shareInstallation();

beforeAll(async () => {
  const { api } = shared;
  for (const locale of ['ru', 'en']) {
    const key = (name: string) => ({ 'idempotency-key': `${name}-${locale}` });
    const email = `audited-${locale}@example.org`;
    const { body } = await api.post('user-service', '/users', { email, name: 'Anna', locale }, key('user'));
    const user_id = body.id;
    await api.post('billing-service', '/accounts', { user_id }, key('account'));
    await api.deposit(user_id, 100, key('deposit'));
    await api.withdraw(user_id, 10.5, key('withdrawal'));
    await api.withdraw(user_id, 1000, key('too-much'));
    await api.order(user_id, 30, key('order'));
    const dear = await api.order(user_id, 5000, key('too-dear'));
    expect(dear.body.status).toBe('failed');
    const letter = { user_id, email, subject: 'Hello', body: 'How are you?' };
    await api.post('notification-service', '/notifications', letter, key('letter'));
    await api.letters(user_id);
  }
});

/** The names of the invariants that do not hold once `damage` is done, which is undone again. */
async function brokenBy(damage: string, atRest = true): Promise<string[]> {
  const undone = new Error('undone');
  let broken: string[] = [];
  await shared.sql
    .begin(async (tx) => {
      if (damage) await tx.unsafe(damage);
      const found = await audit(
        looksOf(() => tx),
        { atRest },
      );
      broken = found.map(({ invariant }) => invariant.name);
      throw undone;
    })
    .catch((error) => expect(error).toBe(undone));
  return broken;
}

test('of a sound installation every invariant holds, and each looked at something', async () => {
  const looked: string[] = [];
  await shared.sql.begin(async (tx) => {
    const told = (_: unknown, finding: { looked: string }) => void looked.push(finding.looked);
    expect(
      await audit(
        looksOf(() => tx),
        { atRest: true, told },
      ),
    ).toEqual([]);
  });
  expect(looked).toHaveLength(INVARIANTS.length);
  for (const what of looked) expect(what).toMatch(/^[1-9]/);
});

const USER = '(select min(id) from user_service.users)';
const PAID = "(select min(order_id) from billing_service.transfers where kind = 'payment')";

/** Damage, and an invariant that it breaks. */
const DAMAGES: [damage: string, invariant: string][] = [
  [`update billing_service.accounts set balance = balance + 1 where id = ${USER}`, 'sum to zero'],
  [
    `update billing_service.transfers set amount = amount + 1 where order_id = ${PAID}`,
    'sum of its transfers',
  ],
  [
    `update billing_service.transfers set debit_sequence = 9 where order_id = ${PAID}`,
    'sum of its transfers',
  ],
  [`update billing_service.transfers set debit_balance = -1 where order_id = ${PAID}`, 'below zero'],
  [`update billing_service.transfers set credit_account = -1 where order_id = ${PAID}`, 'system account'],
  ['delete from order_service.log where position = 1', 'positions are dense'],
  ['update order_service.log_head set position = position + 1', 'positions are dense'],
  ['update order_service.log set user_id = user_id + 1', 'partition of its user'],
  ['delete from notification_service.cursor where partition = 3', 'has a cursor for each partition'],
  ['update billing_service.cursor set position = position + 1', 'no cursor is beyond'],
  ['update billing_service.cursor set position = position - 1 where position > 0', 'is applied by all'],
  [`delete from user_service.users where id = ${USER}`, 'announced once'],
  [`delete from billing_service.accounts where id = ${USER}`, 'exactly one account'],
  ["insert into billing_service.accounts values (77, 'user', 'ru', 0, 0)", 'exactly one account'],
  [`update order_service.known_users set locale = 'xx' where id = ${USER}`, 'order-service knows'],
  [`delete from notification_service.known_users where id = ${USER}`, 'notification-service knows'],
  [
    `update notification_service.known_users set email = 'x@y.z' where id = ${USER}`,
    'notification-service knows',
  ],
  [`update user_service.users set email = 'x@y.z' where id = ${USER}`, 'announced once'],
  ...['email', 'subject', 'body'].map((field): [string, string] => [
    `update notification_service.notifications set ${field} = 'x' where order_id = ${PAID}`,
    'exactly one letter',
  ]),
  [`delete from billing_service.transfers where order_id = ${PAID}`, 'own payment'],
  [`update notification_service.notifications set body = 'x' where order_id = ${PAID}`, 'own payment'],
  [`delete from order_service.orders where id = ${PAID}`, 'placed once'],
  [`update order_service.orders set price = price + 1 where id = ${PAID}`, 'placed once'],
  [
    'insert into order_service.orders select 999, user_id, price, status, message, created_at from order_service.orders limit 1',
    'placed once',
  ],
  [`delete from billing_service.transfers where order_id = ${PAID}`, 'exactly one debit'],
  [
    `update billing_service.log set type = 'PaymentDeclined' where (data->>'order_id')::bigint = ${PAID}`,
    'exactly one debit',
  ],
  [
    'insert into billing_service.log select partition, 99, type, user_id, data, trace, created_at from billing_service.log limit 1',
    'exactly one debit',
  ],
  [`update order_service.orders set status = 'failed' where id = ${PAID}`, 'status that its debit'],
  [`update order_service.orders set message = 'Hello' where id = ${PAID}`, 'status that its debit'],
  ["update order_service.orders set status = 'pending', message = null", 'no order is pending'],
  [`delete from notification_service.notifications where order_id = ${PAID}`, 'exactly one letter'],
  [
    `update notification_service.notifications set body = 'Hello' where order_id = ${PAID}`,
    'exactly one letter',
  ],
  [
    'insert into notification_service.notifications select 99, user_id, 999, email, subject, body, created_at from notification_service.notifications limit 1',
    'exactly one letter',
  ],
  [`update user_service.users set name = 'Boris' where id = ${USER}`, 'reply kept for a new user'],
  [
    `insert into order_service.idempotency (scope, key, request, status, body)
    select scope, 'another', request, status, body from order_service.idempotency limit 1`,
    'reply kept for an order',
  ],
  [
    "update order_service.idempotency set body = jsonb_set(body::jsonb, '{id}', '12345')::json",
    'reply kept for an order',
  ],
  ['delete from notification_service.notifications where order_id is null', 'reply kept for a notification'],
  [
    "update billing_service.idempotency set body = jsonb_set(body::jsonb, '{balance}', '1')::json where scope like '%deposit%'",
    'of its own',
  ],
  [
    `insert into billing_service.idempotency (scope, key, request, status, body)
    select scope, 'another', request, status, body from billing_service.idempotency where scope like '%deposit%' limit 1`,
    'of its own',
  ],
  [
    "update billing_service.idempotency set body = jsonb_set(body::jsonb, '{user_id}', '88')::json",
    'reply kept for an account',
  ],
];

test.each(DAMAGES)('finds the damage: %s', async (damage, invariant) => {
  const broken = await brokenBy(damage);
  expect(broken.filter((name) => name.includes(invariant))).toHaveLength(1);
});

/** The first event of every partition went, being old. */
const REMOVAL = ['user_service', 'order_service', 'billing_service']
  .map(
    (schema) => `
      with gone as (delete from ${schema}.log where position = 1 returning partition)
      update ${schema}.log_floor f set position = 1 from gone where gone.partition = f.partition`,
  )
  .join(';');

test('where old events were removed, every invariant holds still', async () => {
  expect(await brokenBy(REMOVAL)).toEqual([]);
});

/** Damage to rows whose events went: `PAID` is the first order of its user. */
const DAMAGES_BELOW: [damage: string, invariant: string][] = [
  ['delete from order_service.log', 'positions are dense'],
  ['update order_service.log_floor set position = 0', 'positions are dense'],
  ['update order_service.log_floor set position = 99', 'positions are dense'],
  [`delete from user_service.users where id = ${USER}`, 'announced once'],
  [`delete from billing_service.accounts where id = ${USER}`, 'exactly one account'],
  [`delete from order_service.known_users where id = ${USER}`, 'order-service knows'],
  [`delete from order_service.orders where id = ${PAID}`, 'placed once'],
  ["delete from billing_service.transfers where kind = 'payment'", 'sum of its transfers'],
  [
    `insert into billing_service.transfers
      (kind, order_id, amount, debit_account, debit_sequence, debit_balance,
        credit_account, credit_sequence, credit_balance, created_at)
    select kind, 1000 + i, amount, debit_account, 1000 + i, 0, credit_account, 1000 + i, 0, created_at
    from billing_service.transfers, generate_series(1, 9) as i where order_id = ${PAID}`,
    'exactly one debit',
  ],
  [
    `update order_service.orders set status = 'pending', message = null where id = ${PAID}`,
    'status that its debit',
  ],
  [`delete from notification_service.notifications where order_id = ${PAID}`, 'exactly one letter'],
  [`update order_service.orders set status = 'failed' where id = ${PAID}`, 'own payment'],
  [`update notification_service.notifications set body = 'x' where order_id = ${PAID}`, 'own payment'],
];

test.each(DAMAGES_BELOW)('finds the damage, too, below what is kept: %s', async (damage, invariant) => {
  const broken = await brokenBy(`${REMOVAL}; ${damage}`);
  expect(broken.filter((name) => name.includes(invariant))).toHaveLength(1);
});

test('every invariant is broken by some damage', () => {
  const found = INVARIANTS.filter(({ name }) => DAMAGES.some(([, part]) => name.includes(part)));
  expect(found.map(({ name }) => name)).toEqual(INVARIANTS.map(({ name }) => name));
});

test('npm run audit says which invariants hold, and exits with 1 where one does not', async () => {
  const [row] = await shared.sql<{ name: string }[]>`select current_database() as name`;
  const url = new URL(inject('postgresUrl'));
  url.pathname = `/${row!.name}`;
  const auditing = () => run('proofs/audit/main.ts', { DATABASE_URL: url.href });
  const sound = auditing();
  expect(await sound.ended).toBe(0);
  expect(sound.output()).toMatch(/^holds {3}all balances sum to zero \(\d+ accounts\)$/m);
  await shared.sql`update billing_service.accounts set balance = balance + 1 where id = 1`;
  const damaged = auditing();
  expect(await damaged.ended).toBe(1);
  expect(damaged.output()).toMatch(
    /^BROKEN {2}all balances sum to zero \(\d+ accounts\)\n {10}\{"sum":"1"\}$/m,
  );
  await shared.sql`update billing_service.accounts set balance = balance - 1 where id = 1`;
});

test('what holds only at rest is not looked at while something may be under way', async () => {
  const damage =
    "update billing_service.cursor set position = position - 1 where source = 'order-service' and position > 0";
  expect(await brokenBy(damage, true)).toContain('every event is applied by all who follow its log');
  expect(await brokenBy(damage, false)).not.toContain('every event is applied by all who follow its log');
});
