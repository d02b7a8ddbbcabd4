import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eachService, SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import { readerRole } from '@stream-processing/runtime/migrate.ts';
import { connect } from '@stream-processing/runtime/sql.ts';
import { expect, onTestFinished, test } from 'vitest';
import { startEmbeddedPostgres } from '../embedded/postgres.ts';
import { Api, type Urls } from './api.ts';
import { createDatabase, createDatabases } from './database.ts';
import { startInstallation } from './installation.ts';
import { run, startService } from './processes.ts';

test('each service on a database of its own, on two servers: orders, fresh reads, and an audit over all of them', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'stream-processing-apart-'));
  await chmod(folder, 0o711);
  const other = await startEmbeddedPostgres({ dataDir: folder, settings: { shared_buffers: '32MB' } });
  onTestFinished(async () => {
    await other.stop();
    await rm(folder, { recursive: true, force: true });
  });
  const databases: Record<ServiceName, string> = {
    'user-service': await createDatabase(),
    'billing-service': other.url,
    'notification-service': await createDatabase(),
    'order-service': await createDatabase(),
  };
  const { api, stop } = await startInstallation(databases);
  const user_id = await api.userWith(100);
  for (const price of [30, 5000, 70]) {
    const { body: order } = await api.order(user_id, price);
    const letters = await api.letters(user_id);
    expect(letters.at(-1)).toMatchObject({ order_id: order.id, body: order.message });
  }
  expect((await api.account(user_id)).body.balance).toBe(0);
  await stop();

  const env = {
    USER_DATABASE_URL: databases['user-service'],
    BILLING_DATABASE_URL: databases['billing-service'],
    NOTIFICATION_DATABASE_URL: databases['notification-service'],
    ORDER_DATABASE_URL: databases['order-service'],
  };
  const audit = () => run('proofs/audit/main.ts', env, ['--at-rest']);
  const sound = audit();
  expect(await sound.ended).toBe(0);
  expect(sound.output()).toMatch(/\d+ invariants hold\n$/);
  const sql = connect(databases['notification-service'], {
    max: 1,
    name: 'test',
    schema: 'notification_service',
  });
  await sql`delete from notifications where id = (select max(id) from notifications)`;
  await sql.end();
  const damaged = audit();
  expect(await damaged.ended).toBe(1);
  expect(damaged.output()).toContain('BROKEN');
}, 120_000);

test('where a service follows others it needs nothing there but a login that may read their logs', async () => {
  const urls = await createDatabases();
  // They make the roles.
  await (await startInstallation(urls)).stop();
  const login = `reader_${randomUUID().replaceAll('-', '')}`;
  const admin = connect(urls['user-service'], { max: 1, name: 'test', schema: 'public' });
  onTestFinished(async () => {
    await admin.unsafe(`drop role if exists ${login}`).finally(() => admin.end());
  });
  await admin.unsafe(`create role ${login} login password 'secret'`);
  for (const source of ['user-service', 'billing-service', 'order-service'] as const)
    await admin.unsafe(`grant ${readerRole(source)} to ${login}`);
  const asReader = (url: string) => Object.assign(new URL(url), { username: login, password: 'secret' }).href;
  const start = async (name: ServiceName) => {
    const seen = eachService((each) => (each === name ? urls[each] : asReader(urls[each])));
    return [name, (await startService(name, seen)).url] as const;
  };
  const api = new Api(Object.fromEntries(await Promise.all(SERVICES.map(start))) as Urls);
  const user_id = await api.userWith(100);
  expect((await api.order(user_id, 30)).body.status).toBe('confirmed');
  expect(await api.letters(user_id)).toHaveLength(1);

  const reader = connect(asReader(urls['user-service']), { max: 1, name: 'test', schema: 'user_service' });
  onTestFinished(() => reader.end());
  await expect(reader`select from users`).rejects.toThrow('permission denied');
  expect((await reader`select from log`).length).toBeGreaterThan(0);
}, 120_000);
