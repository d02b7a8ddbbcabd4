import fc from 'fast-check';
import { expect, test } from 'vitest';
import { given } from '../../test/given.ts';
import { apply, type Command, type Decision, decide, type State } from './decide.ts';
import { type Account, post, SYSTEM_BALANCE_MAX, USER_BALANCE_MAX, userAccount } from './ledger.ts';

const PARTITIONS = 3;
const USERS = [1, 2, 3, 4, 5, 6, 7];
const WITH_ACCOUNT = USERS.slice(0, 5);
const now = new Date(0);

/** Small sums, so that accounts run empty; and sums near the limit, so that they run full. */
const amounts = fc.oneof(
  { weight: 4, arbitrary: fc.bigInt({ min: 1n, max: 500n }) },
  { weight: 1, arbitrary: fc.bigInt({ min: USER_BALANCE_MAX - 500n, max: USER_BALANCE_MAX }) },
);

const commands: fc.Arbitrary<Command[]> = fc
  .array(
    fc.record({
      type: fc.constantFrom('OpenAccount', 'FindAccount', 'Deposit', 'Deposit', 'Withdraw', 'PayOrder'),
      user_id: fc.constantFrom(...USERS),
      amount: amounts,
    }),
    { minLength: 1, maxLength: 80 },
  )
  .map((drawn) =>
    drawn.map(({ type, user_id, amount }, i) => {
      if (type === 'OpenAccount') return { type, user_id, locale: 'ru' };
      if (type === 'PayOrder') return { type, user_id, order_id: i + 1, price: amount, now };
      return { type, user_id, amount, now } as Command;
    }),
  );

/** Runs any commands, one after the other; some of the users have an account from the start. */
function anyRun(check: (state: State, run: { command: Command; decide: () => Decision }[]) => void) {
  return fc.property(commands, (run) => {
    const accounts = WITH_ACCOUNT.map((id) => [id, userAccount(id, 'ru')] as const);
    const state: State = { partitions: PARTITIONS, currency: 'RUB', accounts: new Map(accounts) };
    const { when } = given({ decide, apply }, state);
    check(
      state,
      run.map((command) => ({ command, decide: () => when(command)[0]! })),
    );
  });
}

function afterEachCommand(check: (state: State) => void) {
  return anyRun((state, run) => {
    for (const step of run) {
      step.decide();
      check(state);
    }
  });
}

const sum = (balances: bigint[]) => balances.reduce((total, balance) => total + balance, 0n);
const accountsOf = (state: State) => [...state.accounts.values()];

/** Of user accounts this is user_id mod partitions; of system accounts it follows from their numbering. */
function partitionOf({ id }: Account): number {
  return id > 0 ? id % PARTITIONS : Math.floor((-id - 1) / 2);
}

test('all balances sum to zero after each command, in every partition by itself', () => {
  fc.assert(
    afterEachCommand((state) => {
      for (let partition = 0; partition < PARTITIONS; partition += 1) {
        const here = accountsOf(state).filter((account) => partitionOf(account) === partition);
        expect(sum(here.map((account) => account.balance))).toBe(0n);
      }
    }),
  );
});

test('no user ever holds less than nothing or more than the limit', () => {
  fc.assert(
    afterEachCommand((state) => {
      for (const { balance } of accountsOf(state).filter(({ kind }) => kind === 'user')) {
        expect(balance >= 0n && balance <= USER_BALANCE_MAX).toBe(true);
      }
    }),
  );
});

test('each statement is dense and adds up to the balance after each of its transfers', () => {
  fc.assert(
    anyRun((state, run) => {
      const statements = new Map<number, { sequence: number; balance: bigint; by: bigint }[]>();
      const note = ({ id, sequence, balance }: Account, by: bigint) =>
        statements.set(id, [...(statements.get(id) ?? []), { sequence, balance, by }]);
      for (const step of run) {
        const { transfer } = step.decide();
        if (!transfer) continue;
        note(transfer.debited, -transfer.amount);
        note(transfer.credited, transfer.amount);
      }
      for (const account of accountsOf(state)) {
        const entries = statements.get(account.id) ?? [];
        const running = entries.map((_entry, i) => sum(entries.slice(0, i + 1).map((entry) => entry.by)));
        expect(entries.map((entry) => entry.sequence)).toEqual(entries.map((_entry, i) => i + 1));
        expect(entries.map((entry) => entry.balance)).toEqual(running);
        expect(account).toMatchObject({ sequence: entries.length, balance: running.at(-1) ?? 0n });
      }
    }),
  );
});

test('money moves exactly when the account can give or take it', () => {
  fc.assert(
    anyRun((state, run) => {
      const balances = new Map(WITH_ACCOUNT.map((id) => [id, 0n]));
      for (const { command, decide } of run) {
        const decision = decide();
        if (command.type === 'OpenAccount')
          balances.set(command.user_id, balances.get(command.user_id) ?? 0n);
        const before = balances.get(command.user_id);
        if (before === undefined) {
          expect(decision).toEqual({ outcome: 'unknown_account', missing: true });
          continue;
        }
        const by = movement(command);
        const fits = before + by >= 0n && before + by <= USER_BALANCE_MAX;
        if (fits) balances.set(command.user_id, before + by);
        if (by !== 0n) expect(decision.outcome).toBe(fits ? 'transferred' : 'refused');
        expect(decision.account?.balance).toBe(balances.get(command.user_id));
        expect(state.accounts.get(command.user_id)?.balance).toBe(balances.get(command.user_id));
      }
    }),
  );
});

/** What the command asks to add to its user's balance. */
function movement(command: Command): bigint {
  if (command.type === 'Deposit') return command.amount;
  if (command.type === 'Withdraw') return -command.amount;
  return command.type === 'PayOrder' ? -command.price : 0n;
}

test('a transfer moves its amount from one account to the other, or not at all', () => {
  const balances = fc.oneof(
    fc.bigInt({ min: -SYSTEM_BALANCE_MAX, max: SYSTEM_BALANCE_MAX }),
    fc.constantFrom(-SYSTEM_BALANCE_MAX, SYSTEM_BALANCE_MAX),
  );
  fc.assert(
    fc.property(balances, balances, amounts, (debitBalance, creditBalance, amount) => {
      const system = { locale: null, sequence: 4 };
      const debit: Account = { id: -2, kind: 'revenue', balance: debitBalance, ...system };
      const credit: Account = { id: -1, kind: 'cash', balance: creditBalance, ...system };
      const entry = { kind: 'withdrawal', order_id: null, amount, created_at: now } as const;
      const fits =
        debitBalance - amount >= -SYSTEM_BALANCE_MAX && creditBalance + amount <= SYSTEM_BALANCE_MAX;
      const debited = { ...debit, balance: debitBalance - amount, sequence: 5 };
      const credited = { ...credit, balance: creditBalance + amount, sequence: 5 };
      expect(post(debit, credit, entry)).toEqual(
        fits ? { ...entry, debited, credited } : 'balance_limit_exceeded',
      );
    }),
  );
});

test('the limits fit where they are kept: a bigint column, and for users a number of the wire', () => {
  expect(SYSTEM_BALANCE_MAX + USER_BALANCE_MAX).toBeLessThan(2n ** 63n);
  expect(USER_BALANCE_MAX).toBeLessThan(2n ** 53n);
});
