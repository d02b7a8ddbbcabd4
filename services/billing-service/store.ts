import type { Locale } from '@stream-processing/contracts/names.ts';
import type { Installation } from '@stream-processing/runtime/migrate.ts';
import type { Tx } from '@stream-processing/runtime/sql.ts';
import type { Work } from '@stream-processing/runtime/work.ts';
import { apply, type Command, type Decision, decide, type State } from './decide.ts';
import { type Account, systemAccountId, type Transfer } from './ledger.ts';

/** `isCarried`: some accounts are known from the transaction before, and not locked. */
export type Accounts = State & { isCarried: boolean };

export function work(installation: Installation): Work<Accounts, Command, Decision> {
  const { partitions, currency } = installation;
  const empty = () => ({ partitions, currency, accounts: new Map(), isCarried: false });
  return {
    empty,
    load,
    prefetch,
    decide,
    apply,
    save,
    carry: async (_tx, state) =>
      state.accounts.size > CARRIED_MAX ? empty() : { ...state, isCarried: true },
  };
}

/** Accounts in memory, about 200 bytes each. */
const CARRIED_MAX = 100_000;

interface Row {
  id: bigint;
  kind: Account['kind'];
  locale: Locale | null;
  balance: bigint;
  sequence: bigint;
}

/** Locks the accounts in ascending order, system accounts first, so that two writers never wait crosswise. */
function load(tx: Tx, state: State, commands: Command[]): Promise<void> {
  return lock(
    tx,
    state,
    commands.flatMap((command) => accountsOf(command, state.partitions)),
  );
}

/** As their orders will need them. */
function prefetch(tx: Tx, state: State, user_ids: number[]): Promise<void> {
  const accounts = user_ids.flatMap((id) => [id, systemAccountId('revenue', id % state.partitions)]);
  return lock(tx, state, accounts);
}

async function lock(tx: Tx, { accounts }: State, concerned: number[]): Promise<void> {
  const ids = [...new Set(concerned)].filter((id) => !accounts.has(id));
  if (ids.length === 0) return;
  const rows = await tx<
    Row[]
  >`select * from accounts where id = any(${ids}::bigint[]) order by id for update`;
  for (const row of rows) {
    const id = Number(row.id);
    accounts.set(id, { ...row, id, sequence: Number(row.sequence) });
  }
}

function accountsOf(command: Command, partitions: number): number[] {
  const partition = command.user_id % partitions;
  switch (command.type) {
    case 'OpenAccount':
    case 'FindAccount':
      return [command.user_id];
    case 'Deposit':
    case 'Withdraw':
      return [command.user_id, systemAccountId('cash', partition)];
    case 'PayOrder':
      return [command.user_id, systemAccountId('revenue', partition)];
  }
}

function save(tx: Tx, state: Accounts, decisions: Decision[]): void {
  const before = sequencesBefore(decisions);
  // Of each account only the newest state counts.
  const rows = [...before.keys()].map((id) => state.accounts.get(id)!);
  const opened = rows.filter(({ id }) => before.get(id) === undefined);
  // What was read and left as it is must still be so: an order is refused for the balance that there is.
  const known = rows.filter(
    ({ id, sequence }) => before.get(id) !== undefined && (before.get(id) !== sequence || state.isCarried),
  );
  const transfers = decisions.flatMap((decision) => decision.transfer ?? []);
  // Run in this order: accounts before the transfers that name them.
  if (opened.length > 0) insertAccounts(tx, opened);
  if (known.length > 0) updateAccounts(tx, known, before);
  if (transfers.length > 0) insertTransfers(tx, transfers);
}

/** At which sequence the decisions took over each account; undefined: they opened it. In the order of the decisions. */
function sequencesBefore(decisions: Decision[]): Map<number, number | undefined> {
  const before = new Map<number, number | undefined>();
  const meet = (id: number, sequence: number | undefined) => {
    if (!before.has(id)) before.set(id, sequence);
  };
  for (const { outcome, account, transfer } of decisions) {
    if (transfer) {
      for (const { id, kind, sequence } of [transfer.debited, transfer.credited]) {
        // Its first transfer brings a system account into being; a user's account was opened before.
        meet(id, kind !== 'user' && sequence === 1 ? undefined : sequence - 1);
      }
    } else if (account) meet(account.id, outcome === 'opened' ? undefined : account.sequence);
  }
  return before;
}

function insertAccounts(tx: Tx, accounts: Account[]): void {
  void tx`
    insert into accounts (id, kind, locale, balance, sequence)
    select * from unnest(
      ${accounts.map((a) => a.id)}::bigint[], ${accounts.map((a) => a.kind)}::text[],
      ${accounts.map((a) => a.locale)}::text[], ${accounts.map((a) => a.balance)}::bigint[],
      ${accounts.map((a) => a.sequence)}::bigint[]
    )`;
}

/** Compare-and-set: fails the transaction when an account is not at the sequence that was decided upon. */
function updateAccounts(tx: Tx, accounts: Account[], before: Map<number, number | undefined>): void {
  const ids = accounts.map((a) => a.id);
  void tx`
    with n as (
      select * from unnest(
        ${ids}::bigint[], ${ids.map((id) => before.get(id)!)}::bigint[],
        ${accounts.map((a) => a.balance)}::bigint[], ${accounts.map((a) => a.sequence)}::bigint[]
      ) as n (id, expected, balance, sequence)
    ), updated as (
      update accounts a set balance = n.balance, sequence = n.sequence from n
      where a.id = n.id and a.id = any(${ids}::bigint[]) and a.sequence = n.expected
      returning a.id
    )
    select fail(${CHANGED}, 'accounts have changed') from updated having count(*) < ${ids.length}::int`;
}

/** SQLSTATE of our own. */
const CHANGED = 'SP002';

function insertTransfers(tx: Tx, transfers: Transfer[]): void {
  void tx`
    insert into transfers (
      kind, order_id, amount, debit_account, debit_sequence, debit_balance,
      credit_account, credit_sequence, credit_balance, created_at
    )
    select * from unnest(
      ${transfers.map((t) => t.kind)}::text[], ${transfers.map((t) => t.order_id)}::bigint[],
      ${transfers.map((t) => t.amount)}::bigint[], ${transfers.map((t) => t.debited.id)}::bigint[],
      ${transfers.map((t) => t.debited.sequence)}::bigint[], ${transfers.map((t) => t.debited.balance)}::bigint[],
      ${transfers.map((t) => t.credited.id)}::bigint[], ${transfers.map((t) => t.credited.sequence)}::bigint[],
      ${transfers.map((t) => t.credited.balance)}::bigint[], ${transfers.map((t) => t.created_at)}::timestamptz[]
    )`;
}
