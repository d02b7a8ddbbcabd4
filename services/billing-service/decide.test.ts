import { LOCALES } from '@stream-processing/contracts/names.ts';
import { expect, test } from 'vitest';
import { given } from '../../test/given.ts';
import { apply, type Command, decide, type State } from './decide.ts';
import { type Account, SYSTEM_BALANCE_MAX, USER_BALANCE_MAX } from './ledger.ts';

const now = new Date('2026-01-31T12:00:00.000Z');

// With 4 partitions user 6 belongs to partition 2, whose cash is −5 and whose revenue is −6.
const ANNA = 6;
const CASH = -5;
const REVENUE = -6;

const open = (locale: 'ru' | 'en' = 'ru'): Command => ({ type: 'OpenAccount', user_id: ANNA, locale });
const find: Command = { type: 'FindAccount', user_id: ANNA };
const deposit = (amount: bigint): Command => ({ type: 'Deposit', user_id: ANNA, amount, now });
const withdraw = (amount: bigint): Command => ({ type: 'Withdraw', user_id: ANNA, amount, now });
const pay = (price: bigint, order_id = 7): Command => ({
  type: 'PayOrder',
  user_id: ANNA,
  order_id,
  price,
  now,
});

/** Accounts that have had `sequence` transfers. */
const user = (balance: bigint, sequence = 1): Account => {
  return { id: ANNA, kind: 'user', locale: 'en', balance, sequence };
};
const cash = (balance: bigint, sequence = 1): Account => {
  return { id: CASH, kind: 'cash', locale: null, balance, sequence };
};
const revenue = (balance: bigint, sequence = 1): Account => {
  return { id: REVENUE, kind: 'revenue', locale: null, balance, sequence };
};

function givenAccounts(...accounts: Account[]) {
  const state: State = {
    partitions: 4,
    currency: 'RUB',
    accounts: new Map(accounts.map((account) => [account.id, account])),
  };
  const rules = given({ decide, apply }, state);
  return { when: rules.when, balanceOf: (id: number) => state.accounts.get(id)?.balance };
}

test.each(LOCALES)('an account opens empty, for a user who speaks %s', (locale) => {
  const account = { id: ANNA, kind: 'user', locale, balance: 0n, sequence: 0 };
  expect(givenAccounts().when(open(locale))).toEqual([{ outcome: 'opened', account }]);
});

test('an account that is open already is found as it is, also when both commands come in one batch', () => {
  expect(givenAccounts(user(500n)).when(open('ru'))).toEqual([{ outcome: 'found', account: user(500n) }]);
  expect(givenAccounts().when(open('en'), open('ru'))).toMatchObject([
    { outcome: 'opened', account: { locale: 'en' } },
    { outcome: 'found', account: { locale: 'en' } },
  ]);
});

test('an account is found', () => {
  expect(givenAccounts(user(500n)).when(find)).toEqual([{ outcome: 'found', account: user(500n) }]);
});

test.each([find, deposit(1n), withdraw(1n), pay(1n)])(
  '$type without an account misses it and moves nothing',
  (command) => {
    const given = givenAccounts(cash(-500n));
    expect(given.when(command)).toEqual([{ outcome: 'unknown_account', missing: true }]);
    expect([given.balanceOf(ANNA), given.balanceOf(CASH)]).toEqual([undefined, -500n]);
  },
);

test('a deposit debits the cash of the partition, which comes into being with it', () => {
  const transfer = { kind: 'deposit', order_id: null, amount: 250n, created_at: now };
  expect(givenAccounts(user(0n, 0)).when(deposit(250n))).toEqual([
    {
      outcome: 'transferred',
      account: user(250n),
      transfer: { ...transfer, debited: cash(-250n), credited: user(250n) },
    },
  ]);
});

test('a deposit goes on from what user and cash hold', () => {
  const [decision] = givenAccounts(user(100n, 3), cash(-900n, 8)).when(deposit(250n));
  expect(decision).toMatchObject({ transfer: { debited: cash(-1150n, 9), credited: user(350n, 4) } });
});

test('an account takes its very limit, and not a hundredth more', () => {
  const given = givenAccounts(user(0n, 0));
  expect(given.when(deposit(USER_BALANCE_MAX), deposit(1n))).toEqual([
    expect.objectContaining({ outcome: 'transferred', account: user(USER_BALANCE_MAX) }),
    { outcome: 'refused', refusal: 'balance_limit_exceeded', account: user(USER_BALANCE_MAX) },
  ]);
  expect([given.balanceOf(ANNA), given.balanceOf(CASH)]).toEqual([USER_BALANCE_MAX, -USER_BALANCE_MAX]);
});

test('cash stays within what the database can hold', () => {
  const full = cash(-SYSTEM_BALANCE_MAX);
  expect(givenAccounts(user(0n), full).when(deposit(1n))).toEqual([
    { outcome: 'refused', refusal: 'balance_limit_exceeded', account: user(0n) },
  ]);
});

test('a withdrawal of all there is gives the money back to cash', () => {
  const transfer = { kind: 'withdrawal', order_id: null, amount: 250n, created_at: now };
  expect(givenAccounts(user(250n), cash(-250n)).when(withdraw(250n))).toEqual([
    {
      outcome: 'transferred',
      account: user(0n, 2),
      transfer: { ...transfer, debited: user(0n, 2), credited: cash(0n, 2) },
    },
  ]);
});

test('a withdrawal of a hundredth more than there is moves nothing', () => {
  const given = givenAccounts(user(250n), cash(-250n));
  expect(given.when(withdraw(251n))).toEqual([
    { outcome: 'refused', refusal: 'insufficient_funds', account: user(250n) },
  ]);
  expect([given.balanceOf(ANNA), given.balanceOf(CASH)]).toEqual([250n, -250n]);
});

const payment = {
  order_id: 7,
  user_id: ANNA,
  price: 250,
  currency: 'RUB',
  decided_at: now.toISOString(),
};

test('an order that the account can pay is debited for revenue, and its payment is announced', () => {
  const transfer = { kind: 'payment', order_id: 7, amount: 250n, created_at: now };
  expect(givenAccounts(user(250n)).when(pay(250n))).toEqual([
    {
      outcome: 'transferred',
      account: user(0n, 2),
      transfer: { ...transfer, debited: user(0n, 2), credited: revenue(250n) },
      events: [{ type: 'PaymentCompleted', user_id: ANNA, data: payment }],
    },
  ]);
});

test('an order that is too dear costs nothing, and its refusal is announced with the reason', () => {
  const given = givenAccounts(user(249n), revenue(1000n, 4));
  expect(given.when(pay(250n))).toEqual([
    {
      outcome: 'refused',
      refusal: 'insufficient_funds',
      account: user(249n),
      events: [
        { type: 'PaymentDeclined', user_id: ANNA, data: { ...payment, reason: 'insufficient_funds' } },
      ],
    },
  ]);
  expect([given.balanceOf(ANNA), given.balanceOf(REVENUE)]).toEqual([249n, 1000n]);
});

test('of two orders in one batch the second is judged by what the first one left', () => {
  const decisions = givenAccounts(user(300n)).when(pay(250n, 7), pay(51n, 8), pay(50n, 9));
  expect(decisions.flatMap((decision) => decision.events ?? [])).toMatchObject([
    { type: 'PaymentCompleted', data: { order_id: 7 } },
    { type: 'PaymentDeclined', data: { order_id: 8 } },
    { type: 'PaymentCompleted', data: { order_id: 9 } },
  ]);
  expect(decisions.map((decision) => decision.account?.balance)).toEqual([50n, 50n, 0n]);
});

test('one batch can open an account, fill it, pay from it and empty it', () => {
  const given = givenAccounts();
  const decisions = given.when(open('en'), deposit(300n), pay(100n), withdraw(200n), find);
  expect(decisions.map((decision) => decision.account)).toEqual([
    user(0n, 0),
    user(300n, 1),
    user(200n, 2),
    user(0n, 3),
    user(0n, 3),
  ]);
  expect([given.balanceOf(CASH), given.balanceOf(REVENUE)]).toEqual([-100n, 100n]);
});

test('a payment that the rules exclude is a bug and never becomes an event', () => {
  const given = givenAccounts(user(250n), revenue(SYSTEM_BALANCE_MAX));
  expect(() => given.when(pay(250n))).toThrow('order 7: a payment cannot end in balance_limit_exceeded');
});

test('deciding alone leaves the state as it was', () => {
  const state: State = { partitions: 4, currency: 'RUB', accounts: new Map([[ANNA, user(250n)]]) };
  decide(state, pay(250n));
  expect(state.accounts).toEqual(new Map([[ANNA, user(250n)]]));
});
