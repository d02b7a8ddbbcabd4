import { Account, Transfer, TrialBalance, Withdrawal } from '@stream-processing/contracts/billing.ts';
import { List } from '@stream-processing/contracts/common.ts';
import { withdrawalMessage } from '@stream-processing/contracts/letters.ts';
import { LOCALES } from '@stream-processing/contracts/names.ts';
import { expect, test } from 'vitest';
import { expectProblem, expectReply } from './replies.ts';
import { shareInstallation } from './shared-installation.ts';

const shared = shareInstallation();
const UNKNOWN = 999_999_999;

const open = (user_id: number) => shared.api.post('billing-service', '/accounts', { user_id });
const statement = (user_id: number) => shared.api.all('billing-service', `/accounts/${user_id}/transfers`);

/** The amount as the caller spells it. */
const send = (user_id: number, action: 'deposit' | 'withdraw', amount: string) =>
  shared.api.call('billing-service', 'POST', `/accounts/${user_id}/${action}`, {
    headers: { 'content-type': 'application/json' },
    body: `{"amount":${amount}}`,
  });

test('an account is there with its user, and opening it again gives the same reply', async () => {
  const user_id = await shared.api.userWith(0);
  expect(expectReply(await open(user_id), 201, Account)).toEqual({ user_id, balance: 0 });
  await shared.api.deposit(user_id, 5);
  expect(expectReply(await open(user_id), 201, Account)).toEqual({ user_id, balance: 5 });
  expect(expectReply(await shared.api.account(user_id), 200, Account)).toEqual({ user_id, balance: 5 });
});

test.each([
  ['0.01', 0.01],
  ['1e2', 100],
  ['10.50', 10.5],
  ['1.10e1', 11],
  ['4.35', 4.35],
  ['90000000000000.00', 90_000_000_000_000],
])('a deposit of %s is taken as it is written', async (literal, balance) => {
  const user_id = await shared.api.userWith(0);
  expect(expectReply(await send(user_id, 'deposit', literal), 200, Account)).toEqual({ user_id, balance });
  expect((await shared.api.account(user_id)).body.balance).toBe(balance);
});

test.each(LOCALES)(
  'a withdrawal says in %s that it was made, or that there is too little',
  async (locale) => {
    const user_id = await shared.api.userWith(10, { locale });
    const refused = expectReply(await shared.api.withdraw(user_id, 10.01), 200, Withdrawal);
    const message = withdrawalMessage(locale, false);
    expect(refused).toEqual({ user_id, balance: 10, withdrawn: false, message });
    const made = expectReply(await shared.api.withdraw(user_id, 9.99), 200, Withdrawal);
    expect(made).toEqual({
      user_id,
      balance: 0.01,
      withdrawn: true,
      message: withdrawalMessage(locale, true),
    });
    expect(await statement(user_id)).toMatchObject([
      { kind: 'deposit', amount: 10 },
      { kind: 'withdrawal', amount: 9.99, balance: 0.01 },
    ]);
  },
);

test('a statement tells every transfer with its order and the balance after it', async () => {
  const user_id = await shared.api.userWith(100);
  const { body: order } = await shared.api.order(user_id, 30.55);
  await shared.api.withdraw(user_id, 1000);
  await shared.api.withdraw(user_id, 0.45);
  const path = `/accounts/${user_id}/transfers`;
  const { items, next_cursor } = expectReply(
    await shared.api.get('billing-service', path),
    200,
    List(Transfer),
  );
  const told = items.map(({ id, created_at, ...rest }) => rest);
  expect(told).toEqual([
    { kind: 'deposit', amount: 100, balance: 100, sequence: 1, order_id: null },
    { kind: 'payment', amount: 30.55, balance: 69.45, sequence: 2, order_id: order.id },
    { kind: 'withdrawal', amount: 0.45, balance: 69, sequence: 3, order_id: null },
  ]);
  expect(next_cursor).toBeNull();
  expect(new Set(items.map((item) => item.id)).size).toBe(3);
});

test('the trial balance adds up to zero, in the currency of the installation', async () => {
  const { sql } = shared;
  await shared.api.userWith(12.34);
  const reply = await shared.api.get('billing-service', '/trial-balance');
  const { totals, ...rest } = expectReply(reply, 200, TrialBalance);
  expect(rest).toEqual({ sum: 0, balanced: true, currency: 'RUB' });
  const rows = await sql`
    select kind, count(*)::int as accounts, sum(balance)::text as minor from billing_service.accounts group by kind`;
  expect(totals.map((total) => ({ kind: total.kind, accounts: total.accounts }))).toEqual(
    rows.map(({ kind, accounts }) => ({ kind, accounts })).sort((a, b) => (a.kind < b.kind ? -1 : 1)),
  );
});

test('an account takes its very limit, not a hundredth more, and then gives it back', async () => {
  const user_id = await shared.api.userWith(90_000_000_000_000);
  expectProblem(await shared.api.deposit(user_id, 0.01), 'balance_limit_exceeded');
  expect((await shared.api.account(user_id)).body.balance).toBe(90_000_000_000_000);
  expect((await shared.api.withdraw(user_id, 90_000_000_000_000)).body).toMatchObject({
    balance: 0,
    withdrawn: true,
  });
});

test('sums that a double would blur are written with every digit', async () => {
  const user_id = await shared.api.userWith(80_000_000_000_000);
  await shared.api.deposit(user_id, 0.01);
  const read = async (path: string) => (await fetch(`${shared.urls['billing-service']}${path}`)).text();
  expect(await read(`/accounts/${user_id}`)).toBe(`{"user_id":${user_id},"balance":80000000000000.01}`);
  expect(await read(`/accounts/${user_id}/transfers`)).toContain('"amount":0.01,"balance":80000000000000.01');
});

test('nobody has an account before being a user', async () => {
  expectProblem(await open(UNKNOWN), 'user_not_found');
  for (const path of [`/accounts/${UNKNOWN}`, `/accounts/${UNKNOWN}/transfers`]) {
    for (const query of ['', '?consistency=fresh', '?consistency=eventual'])
      expectProblem(await shared.api.get('billing-service', path + query), 'account_not_found');
    const bad = await shared.api.get('billing-service', `${path}?consistency=soon`);
    expectProblem(bad, 'invalid_parameter', ['consistency']);
  }
  expectProblem(await shared.api.deposit(UNKNOWN, 1), 'account_not_found');
  expectProblem(await shared.api.withdraw(UNKNOWN, 1), 'account_not_found');
  expectProblem(await shared.api.account(-1), 'invalid_parameter', ['user_id']);
});
