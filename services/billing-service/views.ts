import type { TransferKind } from '@stream-processing/contracts/billing.ts';
import { fromMinor } from '@stream-processing/contracts/money.ts';
import { type Keyset, pageOf } from '@stream-processing/runtime/page.ts';
import type { Sql } from '@stream-processing/runtime/sql.ts';
import { fragment } from '@stream-processing/runtime/sql-query.ts';

export async function findAccount(sql: Sql, user_id: number) {
  const [row] = await sql<{ balance: bigint }[]>`select balance from accounts where id = ${user_id}`;
  return row && toAccount({ id: user_id, balance: row.balance });
}

export function toAccount({ id, balance }: { id: number; balance: bigint }) {
  return { user_id: id, balance: fromMinor(balance) };
}

interface Row {
  id: bigint;
  kind: TransferKind;
  amount: bigint;
  balance: bigint;
  sequence: bigint;
  order_id: bigint | null;
  created_at: Date;
}

/**
 * A statement in the account's own order: each side of a transfer has its index, so a page costs its own length. `> 0`
 * names the part that is indexed, users' accounts, to a plan that does not know the id.
 */
export async function listTransfers(sql: Sql, user_id: number, { after, descending, limit }: Keyset) {
  const [beyond, order] = descending ? [fragment`<`, fragment`desc`] : [fragment`>`, fragment`asc`];
  const rows = await sql<Row[]>`
    (
      select id, kind, amount, debit_balance as balance, debit_sequence as sequence, order_id, created_at
      from transfers where debit_account = ${user_id} and debit_account > 0 and debit_sequence ${beyond} ${after}
      order by debit_sequence ${order} limit ${limit + 1}
    ) union all (
      select id, kind, amount, credit_balance, credit_sequence, order_id, created_at
      from transfers where credit_account = ${user_id} and credit_account > 0 and credit_sequence ${beyond} ${after}
      order by credit_sequence ${order} limit ${limit + 1}
    )
    order by sequence ${order} limit ${limit + 1}`;
  return pageOf(rows, limit, (row) => row.sequence, toTransfer);
}

function toTransfer({ id, kind, amount, balance, sequence, order_id, created_at }: Row) {
  return {
    id: Number(id),
    kind,
    amount: fromMinor(amount),
    balance: fromMinor(balance),
    sequence: Number(sequence),
    order_id: order_id === null ? null : Number(order_id),
    created_at: created_at.toISOString(),
  };
}

/** One statement, so one snapshot: the totals belong to the same moment. */
export async function trialBalance(sql: Sql, currency: string) {
  const rows = await sql<{ kind: string; accounts: bigint; balance: string }[]>`
    select kind, count(*) as accounts, sum(balance)::text as balance from accounts group by kind order by kind`;
  const sum = rows.reduce((total, row) => total + BigInt(row.balance), 0n);
  const totals = rows.map((row) => ({
    kind: row.kind,
    accounts: Number(row.accounts),
    balance: fromMinor(BigInt(row.balance)),
  }));
  return { totals, sum: fromMinor(sum), balanced: sum === 0n, currency };
}
