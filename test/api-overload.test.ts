import { expect, test } from 'vitest';
import { expectProblem } from './replies.ts';
import { shareInstallation, whileLocked } from './shared-installation.ts';
import { until } from './until.ts';

const shared = shareInstallation();
const QUEUE_MAX = 2048;
/** One batch in a transaction of the service's own, one in a chained one, and a full queue. */
const TAKEN_MAX = 3 * QUEUE_MAX + 1;
const ORDERS = TAKEN_MAX + 100;

test('what is more than can wait is refused at once, whole and with nothing done; the rest is served', async () => {
  const { api, sql } = shared;
  const user_id = await api.userWith(10_000);
  const { replies, refused } = await whileLocked(sql, 'order_service.orders', async () => {
    const replies = Array.from({ length: ORDERS }, () => api.order(user_id, 1));
    // Refusals do not wait for the lock.
    const early: Awaited<(typeof replies)[number]>[] = [];
    for (const reply of replies) void reply.then((got) => early.push(got));
    await until('100 orders are refused', () => early.length >= ORDERS - TAKEN_MAX, 60_000);
    return { replies, refused: early.slice() };
  });
  for (const reply of refused) {
    expectProblem(reply, 'overloaded');
    expect(reply.headers.get('x-request-id')).toMatch(/^[0-9a-f]{32}$/);
  }
  const all = await Promise.all(replies);
  const served = all.filter((reply) => reply.status === 201).length;
  expect(all.filter((reply) => reply.status === 503)).toHaveLength(ORDERS - served);
  expect(served).toBeGreaterThanOrEqual(QUEUE_MAX);
  const [row] = await sql`select count(*)::int as orders from order_service.orders`;
  expect(row).toEqual({ orders: served });
  expect((await api.account(user_id)).body.balance).toBe(10_000 - served);
});
