import { connect } from '@stream-processing/runtime/sql.ts';
import { expect, test } from 'vitest';
import { createDatabase } from './database.ts';
import { startInstallation } from './installation.ts';
import { until } from './until.ts';

test('with all database connections cut again and again under load, nothing told is lost and nothing happens twice', async () => {
  const url = await createDatabase();
  const { api, stop } = await startInstallation(url);
  const admin = connect(url, { max: 1, name: 'admin', schema: 'public' });
  const users = await Promise.all(Array.from({ length: 8 }, () => api.userWith(1000)));
  const told: { id: number; user_id: number; status: string; message: string | null }[] = [];
  const unexpected: unknown[] = [];
  let going = true;
  const load = users.map(async (user_id) => {
    for (let i = 0; going; i += 1) {
      // One key for all tries of one order: however often the reply is lost, it is one order.
      const key = { 'idempotency-key': `${user_id}-${i}` };
      for (let done = false; !done; ) {
        const { status, body } = await api.order(user_id, 1, { prefer: 'wait=5', ...key });
        done = status === 201;
        if (done) told.push(body);
        else if (status !== 202 && status !== 503) unexpected.push(body);
      }
    }
  });
  for (let cut = 1; cut <= 5; cut += 1) {
    const before = told.length;
    await admin`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`;
    await until(`orders go on after cut ${cut}`, () => told.length >= before + 40);
  }
  going = false;
  await Promise.all(load);
  await admin.end();
  expect(unexpected).toEqual([]);
  for (const user_id of users) {
    const orders = await api.all('order-service', `/orders?user_id=${user_id}`);
    const mine = told.filter((order) => order.user_id === user_id);
    expect(orders).toEqual(mine);
    expect((await api.account(user_id)).body.balance).toBe(1000 - orders.length);
    expect((await api.letters(user_id)).map((letter) => letter.order_id)).toEqual(
      orders.map((order) => order.id),
    );
  }
  await stop();
});
