/** What was kept under Idempotency-Keys agrees with what was done, and no two keys claim the same effect. */
import type { Tx } from '@stream-processing/runtime/sql.ts';
import { type Finding, type Invariant, OFFENCES_MAX } from './invariant.ts';

export const REPLIES: Invariant[] = [
  {
    name: 'every reply kept for a new user names a user who is there, and no two the same',
    look: ({ 'user-service': tx }) =>
      findingOf(
        tx,
        tx`
          select r.key, r.body::text, count(*) over (partition by r.body->>'id') as replies
          from idempotency r left join users u on u.id = (r.body->>'id')::bigint
          where r.status < 400 and (
            u.id is null or u.email <> r.body->>'email' or u.name <> r.body->>'name' or u.locale <> r.body->>'locale'
            or r.body->>'id' in (select body->>'id' from idempotency where status < 400 group by 1 having count(*) > 1)
          ) limit ${OFFENCES_MAX}`,
      ),
  },
  {
    name: 'every reply kept for an order names an order of this user, and no two the same',
    look: ({ 'order-service': tx }) =>
      findingOf(
        tx,
        tx`
          select r.scope, r.key, r.body::text from idempotency r left join orders o on o.id = (r.body->>'id')::bigint
          where r.status < 400 and (
            o.id is null or o.user_id <> (r.body->>'user_id')::bigint or o.price <> (r.body->>'price')::numeric * 100
            or r.scope <> 'POST /orders ' || o.user_id
            or o.id in (select (body->>'id')::bigint from idempotency where status < 400 group by 1 having count(*) > 1)
          ) limit ${OFFENCES_MAX}`,
      ),
  },
  {
    name: 'every reply kept for a notification names one that is there, and no two the same',
    look: ({ 'notification-service': tx }) =>
      findingOf(
        tx,
        tx`
          select r.scope, r.key, r.body::text from idempotency r
          left join notifications n on n.user_id = (r.body->>'user_id')::bigint and n.id = (r.body->>'id')::bigint
          where r.status < 400 and (
            n.id is null or n.email <> r.body->>'email' or n.subject <> r.body->>'subject' or n.body <> r.body->>'body'
            or n.id in (select (body->>'id')::bigint from idempotency where status < 400 group by 1 having count(*) > 1)
          ) limit ${OFFENCES_MAX}`,
      ),
  },
  {
    name: 'every reply kept for a deposit or a withdrawal has a transfer of its own with that balance',
    look: ({ 'billing-service': tx }) =>
      findingOf(
        tx,
        tx`
          with told as (
            select case when scope like 'POST /accounts/:user_id/deposit %' then 'deposit' else 'withdrawal' end as kind,
              (body->>'user_id')::bigint as user_id, (body->>'balance')::numeric * 100 as balance, count(*) as replies
            from idempotency
            where status < 400 and (
              scope like 'POST /accounts/:user_id/deposit %'
              or scope like 'POST /accounts/:user_id/withdraw %' and (body->>'withdrawn')::boolean
            ) group by 1, 2, 3
          ), done as (
            select kind, user_id, balance, count(*) as transfers from (
              select kind, credit_account, credit_balance::numeric from transfers where kind = 'deposit'
              union all
              select kind, debit_account, debit_balance from transfers where kind = 'withdrawal'
            ) as moves (kind, user_id, balance) group by 1, 2, 3
          )
          select kind, user_id, balance, replies from told left join done using (kind, user_id, balance)
          where replies > coalesce(transfers, 0) limit ${OFFENCES_MAX}`,
      ),
  },
  {
    name: 'every reply kept for an account names one that is there',
    look: ({ 'billing-service': tx }) =>
      findingOf(
        tx,
        tx`
          select r.scope, r.key, r.body::text from idempotency r
          left join accounts a on a.id = (r.body->>'user_id')::bigint and a.id > 0
          where r.status < 400 and (a.id is null or r.scope not like '% ' || a.id) limit ${OFFENCES_MAX}`,
      ),
  },
];

async function findingOf(tx: Tx, offences: Promise<object[]>): Promise<Finding> {
  const [counted] = await tx<{ replies: number }[]>`
    select count(*)::int as replies from idempotency where status < 400`;
  return { looked: `${counted!.replies} replies`, offences: await offences };
}
