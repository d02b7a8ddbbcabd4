import { expect, onTestFinished, test } from 'vitest';
import { TcpProxy } from '../kafka/tcp-proxy.ts';
import { createDatabase } from '../test/database.ts';
import { until } from '../test/until.ts';
import { Listener } from './listener.ts';
import { connect } from './sql.ts';
import { isConnectionLoss } from './sql-errors.ts';

/** Long beside what a busy machine makes of a short statement. */
const SILENT_MS = 1000;

/** A database behind a network that can fall silent. */
async function given() {
  const direct = await createDatabase();
  const { port } = new URL(direct);
  const proxy = await TcpProxy.before(Number(port));
  onTestFinished(() => proxy.close());
  const url = new URL(direct);
  // By TCP, past the server's own socket.
  url.searchParams.delete('host');
  url.port = String(proxy.port);
  const sql = connect(url.href, { max: 1, name: 'test', schema: 'public', silent_ms_max: SILENT_MS });
  const admin = connect(direct, { max: 1, name: 'test', schema: 'public' });
  onTestFinished(async () => {
    await sql.end();
    await admin.end();
  });
  const backend = async () => (await sql<{ pid: number }[]>`select pg_backend_pid() as pid`)[0]!.pid;
  return { url: url.href, proxy, sql, admin, backend };
}

test('a statement, and a transaction, whose connection fell silent are lost instead of awaited for ever', async () => {
  const { proxy, sql } = await given();
  await sql`select 1`;
  proxy.fallSilent();
  const lost = await sql`select 1`.catch((error) => error);
  expect(lost.message).toBe('PostgreSQL has been silent for 1.0 s');
  expect(isConnectionLoss(lost)).toBe(true);
  proxy.mend();
  const inTransaction = sql.begin(async (tx) => {
    await tx`select 1`;
    proxy.fallSilent();
    await tx`select 1`;
  });
  expect(isConnectionLoss(await inTransaction.catch((error) => error))).toBe(true);
  proxy.mend();
  await sql`select 1`;
});

test('a connection that nothing was asked on may be silent, and so may one whose statement is answered in time', async () => {
  const { sql, admin, backend } = await given();
  const first = await backend();
  await sql`select pg_sleep(${SILENT_MS / 4 / 1000})`;
  await admin`select pg_sleep(${(1.5 * SILENT_MS) / 1000})`;
  expect(await backend()).toBe(first);
  await sql`select pg_sleep(${SILENT_MS / 4 / 1000})`;
  expect(await backend()).toBe(first);
  await expect(sql`select pg_sleep(${(3 * SILENT_MS) / 1000})`).rejects.toThrow('silent');
});

test('what listens behind a network that fell silent listens again when there is one', async () => {
  const { url, proxy } = await given();
  let heard = 0;
  const listener = new Listener(url, {
    name: 'test',
    id: 'one',
    onOthers: () => {},
    onNotify: () => {},
    silent_ms_max: SILENT_MS,
  });
  onTestFinished(() => listener.close());
  // Asked about, so counted each second.
  listener.hasOthers('somebody');
  listener.listen('channel', 'somebody', () => {
    heard += 1;
  });
  await until('it is heard', () => heard === 1);
  proxy.fallSilent();
  await until('the connection is given up', () => listener.hasOthers('somebody'));
  proxy.mend();
  await until('it is heard again', () => heard === 2);
});

test('what listens can end though nothing answers any more', async () => {
  const { url, proxy } = await given();
  const listener = new Listener(url, { name: 'test', id: 'one', onOthers: () => {}, onNotify: () => {} });
  await new Promise<void>((resolve) => void listener.listen('channel', 'somebody', resolve));
  proxy.fallSilent();
  await expect(listener.close()).resolves.toBeUndefined();
});

test('PostgreSQL notices that the machine of a client is gone', async () => {
  const { sql } = await given();
  const [row] = await sql<{ idle: string; interval: string; count: string }[]>`
    select current_setting('tcp_keepalives_idle') as idle, current_setting('tcp_keepalives_interval') as interval,
      current_setting('tcp_keepalives_count') as count`;
  expect(row).toEqual({ idle: '5', interval: '2', count: '3' });
});
