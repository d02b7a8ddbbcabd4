import type { Locale } from '@stream-processing/contracts/names.ts';
import type { Installation } from '@stream-processing/runtime/migrate.ts';
import type { Tx } from '@stream-processing/runtime/sql.ts';
import type { Work } from '@stream-processing/runtime/work.ts';
import { apply, type Command, type Decision, decide, type State } from './decide.ts';
import { type Account, systemAccountId, type Transfer } from './ledger.ts';

export function work(installation: Installation): Work<State, Command, Decision> {
  const { partitions, currency } = installation;
  return {
    empty: () => ({ partitions, currency, accounts: new Map() }),
    load,
    prefetch,
    decide,
    apply,
    save,
  };
}

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

function save(tx: Tx, state: State, decisions: Decision[]): void {
  const changed = new Map<number, Account>();
  const opened = new Map<number, Account>();
  for (const decision of decisions) {
    if (decision.outcome === 'opened') opened.set(decision.account.id, decision.account);
    for (const account of decision.transfer ? [decision.transfer.debited, decision.transfer.credited] : []) {
      // Its first transfer brings a system account into being; a user's account was opened before.
      (account.sequence === 1 && account.kind !== 'user' ? opened : changed).set(account.id, account);
    }
  }
  // Of each account only the newest state counts.
  const rows = (ids: Iterable<number>) => [...ids].map((id) => state.accounts.get(id)!);
  const fresh = rows(opened.keys());
  const updated = rows([...changed.keys()].filter((id) => !opened.has(id)));
  const transfers = decisions.flatMap((decision) => decision.transfer ?? []);
  // Run in this order: accounts before the transfers that name them.
  if (fresh.length > 0) insertAccounts(tx, fresh);
  if (updated.length > 0) updateAccounts(tx, updated);
  if (transfers.length > 0) insertTransfers(tx, transfers);
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

function updateAccounts(tx: Tx, accounts: Account[]): void {
  const ids = accounts.map((a) => a.id);
  void tx`
    update accounts a set balance = n.balance, sequence = n.sequence
    from unnest(
      ${ids}::bigint[], ${accounts.map((a) => a.balance)}::bigint[], ${accounts.map((a) => a.sequence)}::bigint[]
    ) as n (id, balance, sequence)
    where a.id = n.id and a.id = any(${ids}::bigint[])`;
}

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
