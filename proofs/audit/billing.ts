import { systemAccountId } from '../../services/billing-service/ledger.ts';
import { type Invariant, OFFENCES_MAX, partitionsOf } from './invariant.ts';

/** The ledger by itself. */
export const BILLING: Invariant[] = [
  {
    name: 'all balances sum to zero',
    async look({ 'billing-service': tx }) {
      const [row] = await tx<{ accounts: number; sum: string }[]>`
        select count(*)::int as accounts, coalesce(sum(balance), 0)::text as sum from accounts`;
      const offences = row!.sum === '0' ? [] : [{ sum: row!.sum }];
      return { looked: `${row!.accounts} accounts`, offences };
    },
  },
  {
    name: 'every balance is the sum of its transfers, one after the other without a gap',
    async look({ 'billing-service': tx }) {
      const [counted] = await tx<{ transfers: number }[]>`select count(*)::int as transfers from transfers`;
      const offences = await tx`
        with entries as (
          select debit_account as account, debit_sequence as sequence, debit_balance as balance, -amount as change
          from transfers
          union all
          select credit_account, credit_sequence, credit_balance, amount from transfers
        ), walked as (
          select account, sequence, balance,
            row_number() over steps as expected_sequence, sum(change) over steps as expected_balance
          from entries window steps as (partition by account order by sequence rows unbounded preceding)
        ), wrong as (
          select account, sequence, balance, expected_sequence, expected_balance from walked
          where sequence <> expected_sequence or balance <> expected_balance
        ), ends as (
          select a.id as account, a.sequence, a.balance,
            coalesce(max(w.expected_sequence), 0) as expected_sequence,
            coalesce((array_agg(w.expected_balance order by w.expected_sequence desc))[1], 0) as expected_balance
          from accounts a left join walked w on w.account = a.id group by a.id, a.sequence, a.balance
        )
        select * from wrong
        union all
        select * from ends where sequence <> expected_sequence or balance <> expected_balance
        union all
        select w.account, w.sequence, w.balance, null, null from walked w
        where not exists (select from accounts a where a.id = w.account)
        limit ${OFFENCES_MAX}`;
      return { looked: `${counted!.transfers} transfers`, offences };
    },
  },
  {
    name: "no user's balance was below zero after any transfer",
    async look({ 'billing-service': tx }) {
      const [counted] = await tx<
        { users: number }[]
      >`select count(*)::int as users from accounts where id > 0`;
      const offences = await tx`
        select id as account, balance from accounts where id > 0 and balance < 0
        union all
        select debit_account, debit_balance from transfers where debit_account > 0 and debit_balance < 0
        union all
        select credit_account, credit_balance from transfers where credit_account > 0 and credit_balance < 0
        limit ${OFFENCES_MAX}`;
      return { looked: `${counted!.users} accounts of users`, offences };
    },
  },
  {
    name: 'every transfer moves money between a user and the system account that belongs to both',
    async look({ 'billing-service': tx }) {
      const [counted] = await tx<{ transfers: number }[]>`select count(*)::int as transfers from transfers`;
      const partitions = await partitionsOf(tx);
      const [cash, revenue] = [systemAccountId('cash', 0), systemAccountId('revenue', 0)];
      const offences = await tx`
        select id as transfer, kind, amount, debit_account, credit_account from transfers
        where amount <= 0 or not case kind
          when 'deposit' then debit_account = ${cash} - 2 * (credit_account % ${partitions}::int) and credit_account > 0
          when 'withdrawal' then credit_account = ${cash} - 2 * (debit_account % ${partitions}::int) and debit_account > 0
          when 'payment' then credit_account = ${revenue} - 2 * (debit_account % ${partitions}::int) and debit_account > 0
          else false end
        limit ${OFFENCES_MAX}`;
      return { looked: `${counted!.transfers} transfers`, offences };
    },
  },
];
