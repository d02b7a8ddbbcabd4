import type { TransferKind } from '@stream-processing/contracts/billing.ts';
import { AMOUNT_MAX } from '@stream-processing/contracts/money.ts';
import type { Locale } from '@stream-processing/contracts/names.ts';

/**
 * Double entry: each transfer debits one account and credits another by the same amount, so the sum of all balances
 * stays zero. Balance = credits − debits, in minor units.
 */
export interface Account {
  id: number;
  kind: 'user' | 'cash' | 'revenue';
  /** Language of messages; system accounts have none. */
  locale: Locale | null;
  balance: bigint;
  /** Number of transfers so far. */
  sequence: number;
}

export interface Transfer {
  kind: TransferKind;
  order_id: number | null;
  amount: bigint;
  /** Both accounts as they are after it. */
  debited: Account;
  credited: Account;
  created_at: Date;
}

export type Refusal = 'insufficient_funds' | 'balance_limit_exceeded';

/** Largest balance of a user; and of a system account, which must still fit PostgreSQL's bigint. */
export const USER_BALANCE_MAX = AMOUNT_MAX;
export const SYSTEM_BALANCE_MAX = 9_200_000_000_000_000_000n;

export function post(
  debit: Account,
  credit: Account,
  entry: Pick<Transfer, 'kind' | 'order_id' | 'amount' | 'created_at'>,
): Transfer | Refusal {
  const debited = moved(debit, -entry.amount);
  const credited = moved(credit, entry.amount);
  if (debited.kind === 'user' && debited.balance < 0n) return 'insufficient_funds';
  if (exceedsLimit(debited) || exceedsLimit(credited)) return 'balance_limit_exceeded';
  return { ...entry, debited, credited };
}

export function userAccount(user_id: number, locale: Locale): Account {
  return { id: user_id, kind: 'user', locale, balance: 0n, sequence: 0 };
}

/** System accounts belong to a partition, so that no transaction ever crosses partitions. */
export function systemAccountId(kind: 'cash' | 'revenue', partition: number): number {
  return -(2 * partition + (kind === 'cash' ? 1 : 2));
}

function moved(account: Account, by: bigint): Account {
  return { ...account, balance: account.balance + by, sequence: account.sequence + 1 };
}

function exceedsLimit({ kind, balance }: Account): boolean {
  const size = balance < 0n ? -balance : balance;
  return size > (kind === 'user' ? USER_BALANCE_MAX : SYSTEM_BALANCE_MAX);
}
