import { setTimeout as delay } from 'node:timers/promises';
import { connect, type Sql } from '@stream-processing/runtime/sql.ts';
import { CheckFailed } from '../check.ts';
import { createHistorySite } from '../history-site.ts';
import type { Case } from './case.ts';

const ORDERS = { full: 200_000, quick: 20_000 };
const USERS = 1000;
const POLL_MS = 20;
const REPLAY_MS_MAX = 600_000;

/** Two services lose what they made of the others' logs, and make it again: every letter, every order's status. */
export const replay: Case = {
  name: 'replay',
  once: true,
  async run(context) {
    const { size, signal, postgres } = context;
    const rows = size.quick ? ORDERS.quick : ORDERS.full;
    const site = await createHistorySite(context, 'replay', { rows, deepUser: 1, deepRows: 0, users: USERS });
    const sql = connect(postgres.urlOf('replay'), { max: 2, name: 'bench', schema: 'public' });
    try {
      const before = await contents(sql);
      await forget(sql);
      const [applied] = await Promise.all([untilApplied(sql, signal), site.start()]);
      const after = await contents(sql);
      for (const table of ['orders', 'letters'] as const) {
        if (after[table] !== before[table]) throw new CheckFailed(`${table} are not what they were`);
      }
      const note = `${applied.events} events, by order-service and notification-service together`;
      const value = (applied.events / applied.ms) * 1000;
      return [{ name: 'replay of the logs', value, unit: 'events/s', note }];
    } finally {
      await sql.end();
      await site.remove();
    }
  },
};

/** As a new notification-service and order-service would find themselves, but for the orders that were placed. */
async function forget(sql: Sql): Promise<void> {
  await sql.unsafe(`
    update order_service.orders set status = 'pending', message = null;
    truncate order_service.known_users, notification_service.known_users, notification_service.notifications;
    update order_service.cursor set position = 0;
    update notification_service.cursor set position = 0`);
  await sql.unsafe('vacuum analyze order_service.orders');
}

/** Times are those of the looks: from the last one that saw nothing applied to the first that saw everything. */
async function untilApplied(sql: Sql, signal: AbortSignal): Promise<{ events: number; ms: number }> {
  const deadline = performance.now() + REPLAY_MS_MAX;
  let began = performance.now();
  while (performance.now() < deadline) {
    const [row] = await sql<{ applied: bigint; events: bigint }[]>`
      select
        (select sum(position) from order_service.cursor)::bigint
          + (select sum(position) from notification_service.cursor)::bigint as applied,
        2 * (
          (select sum(position) from user_service.log_head)::bigint
          + (select sum(position) from billing_service.log_head)::bigint
        ) as events`;
    const now = performance.now();
    if (row!.applied === 0n) began = now;
    if (row!.applied === row!.events) return { events: Number(row!.events), ms: now - began };
    await delay(POLL_MS, undefined, { signal });
  }
  throw new CheckFailed('the end of the logs is not reached in time');
}

/** A digest of all that the two services say; ids and times of letters are new each time. */
async function contents(sql: Sql): Promise<{ orders: string; letters: string }> {
  const [row] = await sql<{ orders: string; letters: string }[]>`
    select
      (
        select md5(string_agg(concat_ws('|', id, user_id, price, status, message, created_at), '\n' order by id))
        from order_service.orders
      ) as orders,
      (
        select md5(string_agg(concat_ws('|', order_id, user_id, email, subject, body), '\n' order by order_id))
        from notification_service.notifications
      ) as letters`;
  return row!;
}
