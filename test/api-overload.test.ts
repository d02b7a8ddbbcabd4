import { expect, test } from 'vitest';
import { expectProblem } from './replies.ts';
import { shareInstallation, whileLocked } from './shared-installation.ts';
import { until } from './until.ts';

const shared = shareInstallation();
const WAITING_MAX = 512;

test('what is more than can wait is refused at once, whole and with nothing done; the rest is served', async () => {
  const { api, sql } = shared;
  const user_id = await api.userWith(10_000);
  const place = () => api.order(user_id, 1);
  const { accepted, refused } = await whileLocked(sql, 'order_service.orders', async () => {
    const first = place();
    await until('the first order waits for the lock', async () => {
      const [row] = await sql`
        select 1 as waits from pg_locks where not granted and relation = 'order_service.orders'::regclass`;
      return row !== undefined;
    });
    const replies = Array.from({ length: WAITING_MAX + 88 }, place);
    // Refusals do not wait for the lock.
    const early: Awaited<ReturnType<typeof place>>[] = [];
    for (const reply of replies) void reply.then((got) => early.push(got));
    await until('88 orders are refused', () => early.length >= 88);
    return { accepted: [first, ...replies], refused: early.slice() };
  });
  expect(refused).toHaveLength(88);
  for (const reply of refused) {
    expectProblem(reply, 'overloaded');
    expect(reply.headers.get('x-request-id')).toMatch(/^[0-9a-f]{32}$/);
  }
  const statuses = (await Promise.all(accepted)).map((reply) => reply.status);
  expect(statuses.filter((status) => status === 201)).toHaveLength(1 + WAITING_MAX);
  const [row] = await sql`select count(*)::int as orders from order_service.orders`;
  expect(row).toEqual({ orders: 1 + WAITING_MAX });
  expect((await api.account(user_id)).body.balance).toBe(10_000 - 1 - WAITING_MAX);
});
