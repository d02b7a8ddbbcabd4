/**
 * After a run: do the orders, the debits and the letters of the product agree? Looks at what is new since a mark, by
 * ranges of ids, so that it stays fast with millions of rows; the balances are looked at as a whole.
 */
import type { Sql } from '@stream-processing/runtime/sql.ts';
import { until } from './until.ts';

export class CheckFailed extends Error {}

/** The newest ids before a run. */
export interface Mark {
  order: bigint;
  transfer: bigint;
}

const SETTLED_MS_MAX = 60_000;

export async function markOf(sql: Sql): Promise<Mark> {
  const [row] = await sql<{ order: bigint; transfer: bigint }[]>`
    select coalesce((select max(id) from order_service.orders), 0) as order,
      coalesce((select max(id) from billing_service.transfers), 0) as transfer`;
  return row!;
}

/** Until no order since the mark is pending and each has its letter. */
export async function untilSettled(sql: Sql, mark: Mark, signal: AbortSignal): Promise<void> {
  await until(
    'every order is final and has its letter',
    async () => {
      const [row] = await sql<{ orders: bigint; pending: bigint; letters: bigint }[]>`
        select count(*) as orders, count(*) filter (where status = 'pending') as pending,
          (select count(*) from notification_service.notifications where order_id > ${mark.order}) as letters
        from order_service.orders where id > ${mark.order}`;
      return row!.pending === 0n && row!.letters === row!.orders;
    },
    { ms: SETTLED_MS_MAX, signal },
  );
}

/**
 * Throws CheckFailed with all that is wrong. Nothing may be under way any more. `accepted` orders were answered by 2xx;
 * up to `unknown` more may be there, whose reply nobody got.
 */
export async function check(
  sql: Sql,
  mark: Mark,
  load: { accepted: number; unknown: number },
): Promise<void> {
  const [{ orders, debits, letters, payments, all_letters, ...mismatches }, accounts] = await Promise.all([
    newOrders(sql, mark),
    balances(sql, mark),
  ]);
  const faults = Object.entries({
    ...mismatches,
    ...accounts,
    payments_without_an_order: payments - debits,
    letters_without_an_order: all_letters - letters,
  })
    .filter(([, count]) => count !== 0n)
    .map(([name, count]) => `${name.replaceAll('_', ' ')}: ${count}`);
  if (orders < load.accepted || orders > load.accepted + load.unknown) {
    faults.push(`${orders} new orders, but ${load.accepted} accepted and ${load.unknown} unknown`);
  }
  if (faults.length > 0) throw new CheckFailed(faults.join('; '));
}

type Counted = 'orders' | 'debits' | 'letters' | 'payments' | 'all_letters';

/** Counts; what is not in `Counted` must be zero. */
async function newOrders(sql: Sql, { order, transfer }: Mark) {
  const [row] = await sql<(Record<Counted, bigint> & Record<string, bigint>)[]>`
    select
      count(*) as orders, count(t.id) as debits, count(n.id) as letters,
      (select count(*) from billing_service.transfers where id > ${transfer} and kind = 'payment') as payments,
      (select count(*) from notification_service.notifications where order_id > ${order}) as all_letters,
      count(*) filter (where o.status = 'pending') as pending_orders,
      count(*) filter (where o.status = 'confirmed' and t.id is null) as confirmed_orders_without_a_debit,
      count(*) filter (where o.status = 'failed' and t.id is not null) as failed_orders_with_a_debit,
      count(*) filter (where t.amount <> o.price or t.debit_account <> o.user_id) as debits_of_another_price_or_user,
      count(*) filter (where n.id is null) as orders_without_a_letter,
      count(*) filter (where n.body is distinct from o.message or n.user_id <> o.user_id) as letters_that_differ
    from order_service.orders o
    left join billing_service.transfers t on t.kind = 'payment' and t.order_id = o.id and t.order_id > ${order}
    left join notification_service.notifications n on n.order_id = o.id and n.order_id > ${order}
    where o.id > ${order}`;
  return row!;
}

/** The sum of all balances and counts of accounts that are wrong: all must be zero. */
async function balances(sql: Sql, { transfer }: Mark) {
  const [[users], [systems]] = await Promise.all([
    sql<Record<string, bigint>[]>`
      select
        (select coalesce(sum(balance), 0)::bigint from billing_service.accounts) as sum_of_all_balances,
        count(*) filter (where a.balance < 0) as users_below_zero,
        count(*) filter (
          where a.sequence <> greatest(d.sequence, c.sequence, 0)
          or a.balance <> case
            when coalesce(d.sequence, 0) > coalesce(c.sequence, 0) then d.balance else coalesce(c.balance, 0) end
        ) as balances_other_than_after_the_newest_transfer
      from billing_service.accounts a
      left join lateral (
        select debit_sequence as sequence, debit_balance as balance from billing_service.transfers
        where debit_account = a.id and debit_account > 0 order by debit_sequence desc limit 1
      ) as d on true
      left join lateral (
        select credit_sequence as sequence, credit_balance as balance from billing_service.transfers
        where credit_account = a.id and credit_account > 0 order by credit_sequence desc limit 1
      ) as c on true
      where a.id > 0`,
    // No index leads to a system account's transfers: the newest of those since the mark.
    sql<Record<string, bigint>[]>`
      select count(*) filter (where a.sequence <> n.sequence or a.balance <> n.balance)
        as system_balances_other_than_after_the_newest_transfer
      from (
        select distinct on (account) * from (
          select debit_account as account, debit_sequence as sequence, debit_balance as balance
          from billing_service.transfers where id > ${transfer} and debit_account < 0
          union all
          select credit_account, credit_sequence, credit_balance
          from billing_service.transfers where id > ${transfer} and credit_account < 0
        ) as moved order by account, sequence desc
      ) as n join billing_service.accounts a on a.id = n.account`,
  ]);
  return { ...users, ...systems };
}
