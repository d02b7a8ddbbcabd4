import { migrate } from '@stream-processing/runtime/migrate.ts';
import { connect, type Sql, schemaOf, type Tx } from '@stream-processing/runtime/sql.ts';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { createDatabase } from '../../test/database.ts';
import { given } from '../../test/given.ts';
import { until } from '../../test/until.ts';
import type { Command } from './decide.ts';
import { type Accounts, work } from './store.ts';

const now = new Date('2026-01-31T12:00:00.000Z');
const INSTALLATION = { partitions: 4, currency: 'RUB' };
const { empty, load, prefetch, decide, apply, save, carry } = work(INSTALLATION);

// With 4 partitions users 2 and 6 belong to partition 2, whose cash is −5 and whose revenue is −6; user 3 to partition 3.
const ANNA = 6;
const BORIS = 2;
const CLARA = 3;

const open = (user_id: number): Command => ({ type: 'OpenAccount', user_id, locale: 'en' });
const find = (user_id: number): Command => ({ type: 'FindAccount', user_id });
const deposit = (user_id: number, amount: bigint): Command => ({ type: 'Deposit', user_id, amount, now });
const withdraw = (user_id: number, amount: bigint): Command => ({ type: 'Withdraw', user_id, amount, now });
const pay = (user_id: number, price: bigint, order_id: number): Command => ({
  type: 'PayOrder',
  user_id,
  order_id,
  price,
  now,
});

let url: string;
let sql: Sql;
beforeEach(async () => {
  url = await createDatabase();
  await migrate(url, 'billing-service', new URL('./migrations/', import.meta.url), INSTALLATION);
  sql = connectHere();
});

function connectHere(): Sql {
  const own = connect(url, { max: 1, name: 'test', schema: schemaOf('billing-service'), writes: true });
  onTestFinished(() => own.end());
  return own;
}

/** One batch in the pipeline's way, within a transaction. */
const run = (tx: Tx, ...commands: Command[]) => runWith(empty(), tx, ...commands);

async function runWith(state: Accounts, tx: Tx, ...commands: Command[]): Promise<Accounts> {
  await load(tx, state, commands);
  const decisions = given({ decide, apply }, state).when(...commands);
  save(
    tx,
    state,
    decisions.filter((decision) => !decision.missing),
  );
  return state;
}

const commit = (...commands: Command[]) => sql.begin((tx) => run(tx, ...commands));

/** `id balance/sequence` of each account. */
async function accounts(): Promise<string[]> {
  const rows = await sql`select * from accounts order by id desc`;
  return rows.map(({ id, balance, sequence }) => `${id} ${balance}/${sequence}`);
}

/** `kind order amount: debited balance/sequence → credited balance/sequence` of each transfer. */
async function transfers(): Promise<string[]> {
  const rows = await sql`select * from transfers order by id`;
  return rows.map(
    (t) =>
      `${t.kind} ${t.order_id} ${t.amount}: ${t.debit_account} ${t.debit_balance}/${t.debit_sequence}` +
      ` → ${t.credit_account} ${t.credit_balance}/${t.credit_sequence}`,
  );
}

/** The accounts that a state holds after `look`, in the order of their loading. */
async function held(look: (tx: Tx, state: Accounts) => Promise<void>): Promise<number[]> {
  const state = empty();
  await sql.begin((tx) => look(tx, state));
  return [...state.accounts.keys()];
}

test('a new state knows the installation and no account', () => {
  expect(empty()).toEqual({ ...INSTALLATION, accounts: new Map(), isCarried: false });
});

test('an account is kept as it was opened, and loaded as it was kept', async () => {
  await commit(open(ANNA));
  const state = await commit(find(ANNA));
  const account = { id: ANNA, kind: 'user', locale: 'en', balance: 0n, sequence: 0 };
  expect([...state.accounts]).toEqual([[ANNA, account]]);
  expect(await transfers()).toEqual([]);
});

test('an account that one batch opens, fills and empties is written once, as it ends', async () => {
  await commit(open(ANNA), deposit(ANNA, 300n), pay(ANNA, 100n, 7), withdraw(ANNA, 50n));
  expect(await accounts()).toEqual(['6 150/3', '-5 -250/2', '-6 100/1']);
  expect(await transfers()).toEqual([
    'deposit null 300: -5 -300/1 → 6 300/1',
    'payment 7 100: 6 200/2 → -6 100/1',
    'withdrawal null 50: 6 150/3 → -5 -250/2',
  ]);
});

test('accounts that are there already are brought up to date, beside new ones', async () => {
  await commit(open(ANNA), open(BORIS), deposit(ANNA, 300n));
  await commit(deposit(BORIS, 20n), pay(ANNA, 100n, 7), pay(BORIS, 5n, 8), open(CLARA));
  expect(await accounts()).toEqual(['6 200/2', '3 0/0', '2 15/2', '-5 -320/2', '-6 105/2']);
});

test("a user's first transfer changes the account and opens none", async () => {
  await commit(open(ANNA));
  await commit(deposit(ANNA, 1n));
  expect(await accounts()).toEqual(['6 1/1', '-5 -1/1']);
});

test('what was refused, found or missing leaves no row', async () => {
  await commit(open(ANNA));
  await commit(withdraw(ANNA, 1n), pay(ANNA, 1n, 7), find(ANNA), open(ANNA), deposit(BORIS, 1n));
  expect(await accounts()).toEqual(['6 0/0']);
  expect(await transfers()).toEqual([]);
});

test('an order is not paid twice, whoever asks', async () => {
  await commit(open(ANNA), deposit(ANNA, 300n));
  await commit(pay(ANNA, 100n, 7));
  await expect(commit(pay(ANNA, 100n, 7))).rejects.toMatchObject({ code: '23505' });
  expect(await accounts()).toEqual(['6 200/2', '-5 -300/1', '-6 100/1']);
});

test.each<{ what: string; commands: Command[]; expected: number[] }>([
  { what: 'a look at an account', commands: [find(ANNA)], expected: [6] },
  { what: 'an opening', commands: [open(ANNA)], expected: [6] },
  { what: 'a deposit', commands: [deposit(ANNA, 1n)], expected: [-5, 6] },
  { what: 'a withdrawal', commands: [withdraw(ANNA, 1n)], expected: [-5, 6] },
  { what: 'a payment', commands: [pay(ANNA, 1n, 7)], expected: [-6, 6] },
  {
    what: 'a mixed batch',
    commands: [pay(ANNA, 1n, 7), deposit(BORIS, 1n), find(CLARA), pay(BORIS, 1n, 8)],
    expected: [-6, -5, 2, 3, 6],
  },
  { what: 'an empty batch', commands: [], expected: [] },
])('$what locks the accounts that it concerns, in ascending order', async ({ commands, expected }) => {
  await commit(open(ANNA), open(BORIS), open(CLARA), deposit(ANNA, 9n), pay(ANNA, 1n, 1));
  expect(await held((tx, state) => load(tx, state, commands))).toEqual(expected);
});

test('orders of users will need their accounts and the revenue of their partitions', async () => {
  await commit(open(ANNA), open(BORIS), open(CLARA), deposit(ANNA, 9n), pay(ANNA, 1n, 1));
  expect(await held((tx, state) => prefetch!(tx, state, [ANNA, CLARA]))).toEqual([-6, 3, 6]);
});

test('what a state holds may have been decided upon: it is not loaded again', async () => {
  await commit(open(ANNA), deposit(ANNA, 9n));
  const state = empty();
  await sql.begin(async (tx) => {
    await load(tx, state, [find(ANNA)]);
    apply(state, decide({ ...state, accounts: new Map(state.accounts) }, withdraw(ANNA, 4n)));
    await load(tx, state, [find(ANNA), deposit(ANNA, 1n)]);
  });
  expect(state.accounts.get(ANNA)).toMatchObject({ balance: 5n, sequence: 2 });
});

/** How many statements a batch asks. */
const asked = (...commands: Command[]) => askedWith(empty(), ...commands);

function askedWith(state: Accounts, ...commands: Command[]): Promise<number> {
  return sql.begin(async (tx) => {
    let statements = 0;
    const counting = ((strings: TemplateStringsArray, ...values: unknown[]) => {
      statements += 1;
      return tx(strings, ...values);
    }) as Tx;
    await runWith(state, counting, ...commands);
    return statements;
  });
}

test('a batch asks one statement to load, and one for each kind of row that it writes', async () => {
  expect(await asked()).toBe(0);
  expect(await asked(open(ANNA))).toBe(2);
  expect(await asked(open(ANNA), find(ANNA))).toBe(1);
  // Cash comes into being, the account changes, the transfer is written; the next time cash changes too.
  expect(await asked(deposit(ANNA, 1n))).toBe(4);
  expect(await asked(deposit(ANNA, 1n))).toBe(3);
  // Opened and filled at once: written once.
  expect(await asked(open(CLARA), deposit(CLARA, 1n))).toBe(3);
  expect(await accounts()).toEqual(['6 2/2', '3 1/1', '-5 -2/2', '-7 -1/1']);
});

test('a second instance reads a balance after the first has committed what it made of it', async () => {
  await commit(open(ANNA), deposit(ANNA, 100n));
  const other = connectHere();
  let second: Promise<unknown> | undefined;
  let isDone = false;
  await sql.begin(async (tx) => {
    await run(tx, withdraw(ANNA, 70n));
    second = other
      .begin((late) => run(late, withdraw(ANNA, 70n)))
      .finally(() => {
        isDone = true;
      });
    await until('the second instance waits, or does not', async () => {
      const [row] = await tx`select exists (select from pg_locks where not granted) as waits`;
      return row!.waits || isDone;
    });
  });
  await second;
  expect(await accounts()).toEqual(['6 30/2', '-5 -30/2']);
  expect(await transfers()).toHaveLength(2);
});

/** What the next transaction begins with, where nobody else writes. */
async function carried(...commands: Command[]): Promise<Accounts> {
  const state = await commit(...commands);
  return sql.begin((tx) => carry!(tx, state));
}

test('accounts that were carried over are neither loaded nor locked again', async () => {
  const state = await carried(open(ANNA), deposit(ANNA, 300n));
  // Revenue is new, the account changes, the transfer is written.
  expect(await askedWith(state, pay(ANNA, 100n, 7))).toBe(1 + 3);
  expect(await askedWith(state, pay(ANNA, 50n, 8))).toBe(2);
  expect(await accounts()).toEqual(['6 150/3', '-5 -300/1', '-6 150/2']);
});

test.each<{ what: string; late: Command }>([
  { what: 'a payment', late: pay(ANNA, 1n, 8) },
  { what: 'a deposit', late: deposit(ANNA, 1n) },
  { what: 'an order that is refused', late: pay(ANNA, 9999n, 8) },
  { what: 'a look at the account', late: find(ANNA) },
])('$what that was decided upon an earlier balance than there is fails as a whole', async ({ late }) => {
  await commit(open(CLARA));
  const state = await carried(open(ANNA), deposit(ANNA, 300n), pay(ANNA, 100n, 7));
  // By another instance.
  await commit(deposit(ANNA, 50n));
  const before = await accounts();
  // Clara has nothing to do with what has changed: her part of the batch alone would be saved.
  const failing = sql.begin((tx) => runWith(state, tx, deposit(CLARA, 5n), late));
  await expect(failing).rejects.toMatchObject({ code: 'SP002' });
  expect(await accounts()).toEqual(before);
});

test('no more than a hundred thousand accounts are carried over', async () => {
  const state = empty();
  const account = { id: 1, kind: 'user', locale: 'en', balance: 0n, sequence: 0 } as const;
  for (let id = 1; id <= 100_000; id += 1) state.accounts.set(id, account);
  const held = async () => (await sql.begin((tx) => carry!(tx, state))).accounts.size;
  expect(await held()).toBe(100_000);
  state.accounts.set(100_001, account);
  expect(await held()).toBe(0);
});
