/** `npm start` as a process: everything in one, on its embedded PostgreSQL. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SERVICES } from '@stream-processing/contracts/names.ts';
import { expect, onTestFinished, test } from 'vitest';
import { Api, type Urls } from './api.ts';
import { line, type RunningProcess, run } from './processes.ts';
import { until } from './until.ts';

const FREE_PORTS = { USER_PORT: '0', BILLING_PORT: '0', NOTIFICATION_PORT: '0', ORDER_PORT: '0' };

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'stream-processing-test-'));
  onTestFinished(async () => {
    const pid = await postgresPid(folder);
    if (pid && isAlive(pid)) process.kill(pid, 'SIGKILL');
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  });
  return folder;
}

async function postgresPid(folder: string): Promise<number | undefined> {
  const text = await readFile(path.join(folder, 'postgres', 'postmaster.pid'), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : Number(text.split('\n')[0]);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function start(folder: string, env: Record<string, string> = {}): RunningProcess {
  return run('everything.ts', { DATA_DIR: folder, LOG_LEVEL: 'warn', ...FREE_PORTS, ...env });
}

async function ready(running: RunningProcess): Promise<Api> {
  await line(running, /ready\n/);
  const urls = SERVICES.map((name) => [
    name,
    new RegExp(`${name} +(http://\\S+)`).exec(running.output())![1],
  ]);
  return new Api(Object.fromEntries(urls) as Urls);
}

test('prints the four addresses, lines to try and a line that ends in ready; Ctrl-C stops it all, PostgreSQL too', async () => {
  const folder = await temporaryFolder();
  const running = start(folder);
  const api = await ready(running);
  const lines = running.output().trim().split('\n');
  expect(lines.filter((text) => text.includes(': curl '))).toHaveLength(3);
  expect(lines.at(-1)).toMatch(/ready$/);
  expect((await api.order(await api.userWith(5), 5)).body.status).toBe('confirmed');
  const postgres = (await postgresPid(folder))!;
  running.child.kill('SIGINT');
  expect(await running.ended).toBe(0);
  expect(await postgresPid(folder)).toBeUndefined();
  await until('PostgreSQL is gone', () => !isAlive(postgres));
});

test('when its PostgreSQL has ended by itself it ends too, and says so', async () => {
  const folder = await temporaryFolder();
  const running = start(folder);
  await ready(running);
  process.kill((await postgresPid(folder))!, 'SIGKILL');
  expect(await running.ended).toBe(1);
  expect(running.output()).toContain(
    `the embedded PostgreSQL has ended: postgres.log in ${folder} says why\n`,
  );
});

test('after kill -9 of everything a new start finds all that was told', async () => {
  const folder = await temporaryFolder();
  const first = start(folder);
  let api = await ready(first);
  const user_id = await api.userWith(100);
  const told = await Promise.all(Array.from({ length: 20 }, () => api.order(user_id, 3)));
  const unanswered = Array.from({ length: 20 }, () => api.order(user_id, 3).catch(() => undefined));
  first.child.kill('SIGKILL');
  await first.ended;
  await Promise.all(unanswered);
  // PostgreSQL is killed as well, as by a power cut.
  const postgres = (await postgresPid(folder))!;
  process.kill(postgres, 'SIGKILL');
  await until('PostgreSQL is gone', () => !isAlive(postgres));

  api = await ready(start(folder));
  const orders = await api.all('order-service', `/orders?user_id=${user_id}`);
  for (const { body } of told) expect(orders).toContainEqual(body);
  expect(orders.filter((order) => order.status === 'pending')).toEqual([]);
  const confirmed = orders.filter((order) => order.status === 'confirmed').length;
  expect((await api.account(user_id)).body.balance).toBe(100 - 3 * confirmed);
  const letters = await api.letters(user_id);
  expect(letters.map((letter) => letter.body).sort()).toEqual(orders.map((order) => order.message).sort());
});

test('a PostgreSQL left running by a killed process is taken over, and its folder is not shared', async () => {
  const folder = await temporaryFolder();
  const first = start(folder);
  await ready(first);
  const postgres = await postgresPid(folder);
  const second = start(folder);
  expect(await second.ended).toBe(1);
  expect(second.output()).toBe(`DATA_DIR: ${folder} is in use by another running stream-processing\n`);
  first.child.kill('SIGKILL');
  await first.ended;
  const third = start(folder);
  const api = await ready(third);
  expect(await postgresPid(folder)).toBe(postgres);
  expect((await api.createUser()).status).toBe(201);
});

test('a stale pid file that names a living stranger does not keep PostgreSQL from starting', async () => {
  const folder = await temporaryFolder();
  const first = start(folder);
  await ready(first);
  first.child.kill('SIGTERM');
  expect(await first.ended).toBe(0);
  const pidFile = path.join(folder, 'postgres', 'postmaster.pid');
  await writeFile(pidFile, `${process.pid}\n${path.dirname(pidFile)}\n1\n5432\n\n127.0.0.1\n\nready\n`);
  const api = await ready(start(folder));
  expect((await api.createUser()).status).toBe(201);
});

test('a taken port is one clear line and exit code 1, and leaves nothing running', async () => {
  const folder = await temporaryFolder();
  const first = start(await temporaryFolder());
  const taken = new URL((await ready(first)).urls['order-service']).port;
  const second = start(folder, { ORDER_PORT: taken });
  expect(await second.ended).toBe(1);
  const lines = second.output().trim().split('\n');
  expect(lines.at(-1)).toBe(
    `ORDER_PORT 127.0.0.1:${taken}: the port is taken by another process (EADDRINUSE)`,
  );
  expect(await postgresPid(folder)).toBeUndefined();
});
