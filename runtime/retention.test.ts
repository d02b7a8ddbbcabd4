import pino from 'pino';
import { expect, onTestFinished, test, vi } from 'vitest';
import { connectFor, createToy, PARTITIONS, positions, TOY, TOY_SOURCE } from '../test/toy.ts';
import { until } from '../test/until.ts';
import { Bus } from './announcements.ts';
import { append } from './append.ts';
import { createCursors } from './cursors.ts';
import { LogTruncated } from './log.ts';
import { postgresLog } from './log-postgres.ts';
import { readerRole } from './migrate.ts';
import { Outbox } from './outbox.ts';
import { RELAY, Retention, removeOld, tellPassed } from './retention.ts';
import { connect, type Sql, schemaOf } from './sql.ts';

const NOW = Date.now();
const HOUR = 3_600_000;
const hoursAgo = (hours: number) => new Date(NOW - hours * HOUR);

/** A log with so many events in partition 1, each an hour younger than the one before; the last one is an hour old. */
async function givenLog(count: number) {
  const { url, sql } = await createToy();
  const outbox = (user_id: number) => {
    const events = new Outbox(PARTITIONS);
    events.add({ type: 'Added', user_id, data: { value: 1 } }, null);
    return events;
  };
  for (let i = 0; i < count; i += 1) await sql.begin((tx) => append(tx, outbox(1), hoursAgo(count - i)));
  await sql.begin((tx) => append(tx, outbox(2), hoursAgo(count)));
  const reader = connect(url, { max: 1, name: 'reader', schema: schemaOf(TOY), role: readerRole(TOY) });
  const follower = (name: string) => {
    const log = postgresLog({ sql: reader, service: TOY, follower: name, bus: new Bus(), pollMs: 50 });
    onTestFinished(() => log.close());
    return log;
  };
  return { url, sql, follower };
}

const remove = (sql: Sql, older: number, isRelayed = false) =>
  removeOld(sql, { partition: 1, before: hoursAgo(older), now: hoursAgo(0), isRelayed });

test('events go that are old and passed by every follower, and no other', async () => {
  const { sql, follower } = await givenLog(10);
  await follower('order-service').tellPassed([{ partition: 1, position: 9 }]);
  await follower('notification-service').tellPassed([{ partition: 1, position: 4 }]);
  // Seven are older than 3.5 hours, four of them passed by both.
  expect(await remove(sql, 3.5)).toEqual({ events: 4, heldBackBy: 'notification-service' });
  expect(await positions(sql, 1)).toEqual([5, 6, 7, 8, 9, 10]);
  await follower('notification-service').tellPassed([{ partition: 1, position: 10 }]);
  expect(await remove(sql, 3.5)).toEqual({ events: 3, heldBackBy: undefined });
  expect(await positions(sql, 1)).toEqual([8, 9, 10]);
  expect(await remove(sql, 3.5)).toEqual({ events: 0, heldBackBy: undefined });
  // The other partition's followers told nothing.
  expect(await positions(sql, 2)).toEqual([1]);
});

test('while no follower ever told how far it is, all events stay', async () => {
  const { sql } = await givenLog(3);
  expect(await remove(sql, 0)).toEqual({ events: 0, heldBackBy: undefined });
  expect(await positions(sql, 1)).toEqual([1, 2, 3]);
});

test('where a relay copies the log, only the relay counts, and otherwise all but the relay', async () => {
  const { sql } = await givenLog(6);
  await tellPassed(sql, RELAY, [{ partition: 1, position: 2 }]);
  expect(await remove(sql, 0)).toEqual({ events: 0, heldBackBy: undefined });
  await tellPassed(sql, 'order-service', [{ partition: 1, position: 5 }]);
  expect(await remove(sql, 0, true)).toEqual({ events: 2, heldBackBy: RELAY });
  expect(await remove(sql, 0)).toEqual({ events: 3, heldBackBy: 'order-service' });
  expect(await positions(sql, 1)).toEqual([6]);
});

test('a follower whose database was put back to an older state holds events back again', async () => {
  const { sql, follower } = await givenLog(4);
  const log = follower('order-service');
  await log.tellPassed([{ partition: 1, position: 4 }]);
  await log.tellPassed([{ partition: 1, position: 1 }]);
  expect(await remove(sql, 0)).toEqual({ events: 1, heldBackBy: 'order-service' });
});

test('an event that is young keeps those behind it, also older ones: clocks of instances differ', async () => {
  const { sql, follower } = await givenLog(4);
  await follower('order-service').tellPassed([{ partition: 1, position: 4 }]);
  await sql`update log set created_at = ${hoursAgo(0)} where partition = 1 and position = 2`;
  expect((await remove(sql, 0.5)).events).toBe(1);
  expect(await positions(sql, 1)).toEqual([2, 3, 4]);
});

test('an event from the future, of a clock that was wrong, is as old as what follows it', async () => {
  const { sql, follower } = await givenLog(5);
  await follower('order-service').tellPassed([{ partition: 1, position: 5 }]);
  await sql`update log set created_at = ${hoursAgo(-24 * 365)} where partition = 1 and position in (2, 4, 5)`;
  expect(await remove(sql, 2.5), 'the third is three hours old').toMatchObject({ events: 3 });
  // Nothing follows them yet.
  expect(await remove(sql, 0)).toMatchObject({ events: 0 });
  expect(await positions(sql, 1)).toEqual([4, 5]);
});

test('so are thousands of them, one after another', async () => {
  const { sql, follower } = await givenLog(1);
  await sql`
    insert into log select 1, 1 + i, 'Added', 1, '{}', null, ${hoursAgo(-24 * 365)} from generate_series(1, 6000) as i`;
  await sql`insert into log values (1, 6002, 'Added', 1, '{}', null, ${hoursAgo(2)})`;
  await follower('order-service').tellPassed([{ partition: 1, position: 6002 }]);
  expect(await remove(sql, 0.5)).toMatchObject({ events: 6002 });
  expect(await positions(sql, 1)).toEqual([]);
});

test('ages are counted by the clock of PostgreSQL: an instance whose own is years ahead removes nothing too early', async () => {
  const { url, sql, follower } = await givenLog(3);
  await follower('order-service').tellPassed([{ partition: 1, position: 3 }]);
  const ahead = vi.spyOn(Date, 'now').mockReturnValue(NOW + 10 * 365 * 24 * HOUR);
  onTestFinished(() => ahead.mockRestore());
  let removed = 0;
  const retention = new Retention({
    sql: connectFor(url),
    logs: new Map(),
    relayed: undefined,
    hours: 1.5,
    held: () => [1],
    onRemoved: (events) => {
      removed += events;
    },
    logger: pino({ level: 'silent' }),
    tickMs: 1,
  });
  onTestFinished(() => retention.close());
  await until('the two that are old are removed', () => removed >= 2);
  expect(await positions(sql, 1)).toEqual([3]);
});

test('two instances that remove at once remove each event once, batch after batch', async () => {
  const { url, sql, follower } = await givenLog(1);
  await sql`
    insert into log select 1, 1 + i, 'Added', 1, '{}', null, ${hoursAgo(9)} from generate_series(1, 12345) as i`;
  await follower('order-service').tellPassed([{ partition: 1, position: 12_346 }]);
  const removals = await Promise.all([connectFor(url), connectFor(url), sql].map((each) => remove(each, 0)));
  expect(removals.reduce((sum, { events }) => sum + events, 0)).toBe(12_346);
  expect(await positions(sql, 1)).toEqual([]);
});

test('who asks for what was removed hears it, and others that ask at the same time get theirs', async () => {
  const { sql, follower } = await givenLog(5);
  const log = follower('order-service');
  await log.tellPassed([{ partition: 1, position: 3 }]);
  await remove(sql, 0);
  const [behind, here, end, other] = await Promise.allSettled([
    log.read(1, 2, 10),
    log.read(1, 3, 10),
    log.read(1, 5, 10),
    log.read(2, 0, 10),
  ]);
  expect(behind).toMatchObject({ status: 'rejected' });
  expect((behind as PromiseRejectedResult).reason).toBeInstanceOf(LogTruncated);
  expect((behind as PromiseRejectedResult).reason.message).toBe(
    `position 3 of partition 1 of ${TOY} was removed: it is kept from 4 on (docs/retention.md)`,
  );
  expect(here).toMatchObject({ value: [{ position: 4 }, { position: 5 }] });
  expect(end).toMatchObject({ value: [] });
  expect(other).toMatchObject({ value: [{ position: 1 }] });
});

test('a follower behind a log of which nothing is left hears it too, instead of reading nothing for ever', async () => {
  const { sql, follower } = await givenLog(2);
  const log = follower('order-service');
  await log.tellPassed([{ partition: 1, position: 2 }]);
  expect((await remove(sql, 0)).events).toBe(2);
  await expect(log.read(1, 0, 10)).rejects.toMatchObject({ oldest: 3 });
  expect(await log.read(1, 2, 10)).toEqual([]);
  expect(await log.end(1)).toBe(2);
});

test('with 0 hours a service tells how far it is, and removes nothing', async () => {
  const { url, sql, follower } = await givenLog(3);
  await createCursors(sql, [TOY], PARTITIONS);
  await sql`update cursor set position = 3 where source = ${TOY} and partition = 1`;
  const retention = new Retention({
    sql: connectFor(url),
    logs: new Map([[TOY, follower('order-service')]]),
    relayed: undefined,
    hours: 0,
    held: () => [1],
    onRemoved: () => {},
    logger: pino({ level: 'silent' }),
    tickMs: 1,
  });
  onTestFinished(() => retention.close());
  const toldAt = async () => {
    const [row] = await sql<{ told_at: Date }[]>`
      select told_at from log_follower where partition = 1 and position = 3`;
    return row?.told_at.getTime() ?? 0;
  };
  // What is told comes first in a round: with the third the first two are over.
  for (let round = 1, last = 0; round <= 3; round += 1) {
    await until(`round ${round} begins`, async () => (await toldAt()) > last);
    last = await toldAt();
  }
  expect(await positions(sql, 1)).toEqual([1, 2, 3]);
});

test('a service tells its cursors as they are durable, and removes where it works', async () => {
  const { url, sql, follower } = await givenLog(3);
  // The toy follows itself here: its cursor on its own log stands at 2, as far as the database knows.
  await createCursors(sql, [TOY], PARTITIONS);
  await sql`update cursor set position = 2 where source = ${TOY} and partition in (1, 2)`;
  let removed = 0;
  const retention = new Retention({
    sql: connectFor(url),
    logs: new Map([[TOY, follower('order-service')]]),
    relayed: undefined,
    hours: 1e-6,
    held: () => [1],
    onRemoved: (events) => {
      removed += events;
    },
    logger: pino({ level: 'silent' }),
  });
  onTestFinished(() => retention.close());
  await until('two events are removed', async () => removed === 2);
  await until(
    'it is known who holds the third back',
    async () => retention.heldBack.get('order-service') === 1,
  );
  expect(await positions(sql, 1)).toEqual([3]);
  // Another instance's.
  expect(await positions(sql, 2)).toEqual([1]);
  await sql`update cursor set position = 3 where source = ${TOY} and partition = 1`;
  await until('the third is removed', async () => removed === 3);
  await until('nobody holds anything back', async () => retention.heldBack.get('order-service') === 0);
  const [follows] = await sql`select count(*)::int as told from log_follower where follower = ${TOY_SOURCE}`;
  expect(follows).toEqual({ told: PARTITIONS });
});
