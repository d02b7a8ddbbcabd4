/** An installation that lets its old events go, and a follower that needs what went. */
import { readFileSync } from 'node:fs';
import type { ServiceName } from '@stream-processing/contracts/names.ts';
import { connect, type Sql, schemaOf } from '@stream-processing/runtime/sql.ts';
import { expect, onTestFinished, test } from 'vitest';
import { auditAll, urlsOf } from '../proofs/installation.ts';
import type { Api } from './api.ts';
import { createDatabase } from './database.ts';
import { startInstallation } from './installation.ts';
import { expectProblem } from './replies.ts';
import { until } from './until.ts';

/** 36 ms: whatever everybody has applied goes. */
const AT_ONCE = 1e-5;
const FOLLOWED: ServiceName[] = ['user-service', 'order-service', 'billing-service'];

async function givenInstallation(logRetentionHours: number) {
  const url = await createDatabase();
  const sql = connect(url, { max: 2, name: 'test', schema: 'public' });
  onTestFinished(() => sql.end());
  const start = async (hours: number) => {
    const installation = await startInstallation(url, { logRetentionHours: hours });
    onTestFinished(installation.stop);
    return installation;
  };
  return { url, sql, start, ...(await start(logRetentionHours)) };
}

async function placeOrders(api: Api, users: number[]): Promise<void> {
  for (const user of users) {
    expect((await api.order(user, 30)).body.status).toBe('confirmed');
    expect((await api.order(user, 5000)).body.status).toBe('failed');
    expect(await api.letters(user)).not.toHaveLength(0);
  }
}

async function eventsOf(sql: Sql, service: ServiceName): Promise<number> {
  const [row] = await sql.unsafe(`select count(*)::int as events from ${schemaOf(service)}.log`);
  return (row as { events: number }).events;
}

function untilRemoved(sql: Sql): Promise<void> {
  return until('every event is removed', async () => {
    const left = await Promise.all(FOLLOWED.map((service) => eventsOf(sql, service)));
    return left.every((events) => events === 0);
  });
}

/** The blocks of SQL in the document, in their order. */
const [, fromBackup, withoutBackup] = [
  ...readFileSync(new URL('../docs/retention.md', import.meta.url), 'utf8').matchAll(/```sql\n(.*?)```/gs),
].map(([, text]) => text!);

test('old events go while orders come, every invariant holds, and a restart finds everything', async () => {
  const { url, sql, api, stop, start } = await givenInstallation(AT_ONCE);
  const users = await Promise.all([1, 2, 3].map(() => api.userWith(100)));
  await placeOrders(api, users);
  await untilRemoved(sql);
  expect(await auditAll(urlsOf(url))).toEqual([]);
  const metrics = await fetch(`${api.urls['order-service']}/metrics`).then((response) => response.text());
  expect(metrics).toMatch(/^log_removed_events_total\{service="order-service"\} 6$/m);
  await stop();

  const again = await start(AT_ONCE);
  await placeOrders(again.api, users);
  await untilRemoved(sql);
  for (const user of users) {
    expect(await again.api.letters(user)).toHaveLength(4);
    expect((await again.api.account(user)).body.balance).toBe(40);
  }
  expect(await auditAll(urlsOf(url))).toEqual([]);
}, 60_000);

test('with 0 hours every event stays', async () => {
  const { sql, api, stop } = await givenInstallation(0);
  await placeOrders(api, [await api.userWith(100)]);
  await stop();
  expect(await Promise.all(FOLLOWED.map((service) => eventsOf(sql, service)))).toEqual([1, 2, 2]);
});

/** Two users with two letters each; then every event goes, and notification-service loses its database. */
async function givenLoss() {
  const given = await givenInstallation(0);
  const users = await Promise.all([1, 2].map(() => given.api.userWith(100)));
  await placeOrders(given.api, users);
  await given.stop();
  await given.sql.unsafe('create table backup as select * from billing_service.log');
  const removing = await given.start(AT_ONCE);
  await untilRemoved(given.sql);
  await removing.stop();
  await given.sql.unsafe('drop schema notification_service cascade');
  const { api, stop } = await given.start(AT_ONCE);
  const stopped = () =>
    fetch(`${api.urls['notification-service']}/metrics`)
      .then((response) => response.text())
      .then((text) =>
        [...text.matchAll(/^processor_stopped\{.*?source="(.*?)".*\} 1$/gm)].map(([, source]) => source),
      );
  await until('the partitions of both users stand still', async () => (await stopped()).length === 4);
  const [user] = users;
  expectProblem(await api.get('notification-service', `/notifications?user_id=${user}`), 'not_fresh');
  return { ...given, api, stop, users, stopped };
}

test('a follower that lost its database gets the events back from a backup of the log, and lacks nothing', async () => {
  const { url, sql, api, users, stopped } = await givenLoss();
  // As much as the backup holds: what it lacks of the users' log comes from their table.
  await sql.unsafe(fromBackup!);
  await sql.unsafe(withoutBackup!);
  await until('nothing stands still', async () => (await stopped()).length === 0);
  for (const user of users) expect(await api.letters(user)).toHaveLength(2);
  await untilRemoved(sql);
  expect(await auditAll(urlsOf(url))).toEqual([]);
}, 60_000);

test('without a backup it goes on with what comes, and knows every user', async () => {
  const { sql, api, users, stopped } = await givenLoss();
  await sql.unsafe(withoutBackup!);
  await until('nothing stands still', async () => (await stopped()).length === 0);
  for (const user of users) {
    expect(await api.letters(user)).toEqual([]);
    await placeOrders(api, [user]);
    expect(await api.letters(user)).toHaveLength(2);
  }
}, 60_000);
