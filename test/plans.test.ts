/** What callers ask often is found by an index, under plans made without knowing the values. */
import { expect, test } from 'vitest';
import { shareInstallation } from './shared-installation.ts';
import { until } from './until.ts';

const shared = shareInstallation();

interface Table {
  name: string;
  seq_scan: number;
  /** Scans of its indexes. */
  idx_scan: number;
}

const tables = () => shared.sql<Table[]>`
  select schemaname || '.' || relname as name, seq_scan::int, idx_scan::int from pg_stat_user_tables
  where relname in ('users', 'known_users', 'accounts', 'transfers', 'orders', 'notifications', 'log')`;

test('no list, read or write of a user scans a table', async () => {
  const { api } = shared;
  const id = await api.userWith(0);
  const walk = async () => {
    await api.deposit(id, 100);
    await api.withdraw(id, 1);
    const { body: order } = await api.order(id, 5);
    await api.get('user-service', `/users/${id}`);
    await api.account(id);
    await api.get('order-service', `/orders/${order.id}`);
    for (const query of ['', '&order=desc']) {
      await api.get('user-service', `/users?limit=1${query}`);
      await api.get('billing-service', `/accounts/${id}/transfers?limit=1${query}`);
      await api.get('order-service', `/orders?user_id=${id}&limit=1${query}`);
      await api.get('notification-service', `/notifications?user_id=${id}&limit=1${query}`);
    }
  };
  await walk();
  const before = await tables();
  const of = (all: Table[], name: string) => all.find((table) => table.name === name)!;
  // Backends report what they did with a delay: go on until each table shows some of it.
  const read = ['user_service.users', 'billing_service.transfers', 'order_service.orders'];
  await until('the reads show in the statistics', async () => {
    await walk();
    const now = await tables();
    return read.every((name) => of(now, name).idx_scan >= of(before, name).idx_scan + 2);
  });
  const scanned = (await tables()).filter((table) => table.seq_scan > of(before, table.name).seq_scan);
  expect(scanned).toEqual([]);
});
