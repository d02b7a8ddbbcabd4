import { describe, expect, onTestFinished, test } from 'vitest';
import { createDatabase } from '../test/database.ts';
import { logPortSuite } from '../test/log-port.ts';
import { connectFor, createToy, PARTITIONS, positions, TOY } from '../test/toy.ts';
import { until } from '../test/until.ts';
import { Announcer, Bus } from './announcements.ts';
import { append } from './append.ts';
import { LogMissing } from './log.ts';
import { postgresLog } from './log-postgres.ts';
import { readerRole } from './migrate.ts';
import { Outbox } from './outbox.ts';
import { tellPassed } from './retention.ts';
import { connect, type Sql, schemaOf } from './sql.ts';

describe('the log port on PostgreSQL, producer in this process', () => {
  logPortSuite(() => createLog('here'));
});

describe('the log port on PostgreSQL, producer in another process', () => {
  logPortSuite(() => createLog('elsewhere'));
});

async function createLog(where: 'here' | 'elsewhere') {
  const { url, sql, bus } = await createToy();
  const reader = reading(url, bus);
  const announcer = new Announcer(TOY, sql, where === 'here' ? bus : new Bus());
  let value = 0;
  return {
    reader,
    async publish(partition: number, count: number, told = true) {
      const events = outbox(...Array.from({ length: count }, () => ({ user_id: partition, value: ++value })));
      const appended = await sql.begin((tx) => append(tx, events, new Date()));
      if (told) announcer.announce({ events: appended, moves: [] });
    },
  };
}

function reading(url: string, bus: Bus, pollMs = 50) {
  bus.join(TOY, url);
  const sql = connect(url, { max: 3, name: 'reader', schema: schemaOf(TOY), role: readerRole(TOY) });
  const reader = postgresLog({ sql, service: TOY, follower: 'order-service', bus, pollMs });
  onTestFinished(() => reader.close());
  return reader;
}

function outbox(...added: { user_id: number; value?: number }[]): Outbox {
  const outgoing = new Outbox(PARTITIONS);
  for (const { user_id, value = 0 } of added) {
    outgoing.add({ type: 'Added', user_id, data: { value } }, null);
  }
  return outgoing;
}

test('a waiting consumer hears of what another process appends, also where it does not look by itself', async () => {
  const { url, sql, bus } = await createToy();
  await sql.begin((tx) => append(tx, outbox({ user_id: 0 }), new Date()));
  const reader = reading(url, bus, 600_000);
  await until('it has looked once, as it begins', () => reader.seen(0) === 1);
  const never = new AbortController();
  let hasHeard = false;
  void reader.wait(1, 0, never.signal).then(() => {
    hasHeard = true;
  });
  const events = await sql.begin((tx) => append(tx, outbox({ user_id: 1 }), new Date()));
  new Announcer(TOY, sql, new Bus()).announce({ events, moves: [] });
  await until('it hears of the event', () => hasHeard);
  expect(reader.seen(1)).toBe(1);
});

test('a service that has never started has a missing log, not an empty one', async () => {
  const reader = reading(await createDatabase(), new Bus());
  await expect(reader.read(0, 0, 1)).rejects.toBeInstanceOf(LogMissing);
  await expect(reader.end(0)).rejects.toBeInstanceOf(LogMissing);
});

test('the role of readers may read the log, its heads and its floors, and nothing else', async () => {
  const { url } = await createToy();
  const sql = connect(url, { max: 1, name: 'reader', schema: schemaOf(TOY), role: readerRole(TOY) });
  onTestFinished(() => sql.end());
  expect(await sql`select * from log`).toHaveLength(0);
  expect(await sql`select * from log_head`).toHaveLength(PARTITIONS);
  expect(await sql`select * from log_floor`).toHaveLength(PARTITIONS);
  const forbidden = [
    'select * from counters',
    'select * from cursor',
    'select * from idempotency',
    'delete from log',
    'update log_head set position = 9',
    'update log_floor set position = 9',
    'select * from log_follower',
    'delete from log_follower',
  ];
  for (const statement of forbidden)
    await expect(sql.unsafe(statement)).rejects.toMatchObject({ code: '42501' });
});

test('what a reader tells goes into the table, whatever tables of its own it makes', async () => {
  const { url, sql } = await createToy();
  const reader = connect(url, { max: 1, name: 'reader', schema: schemaOf(TOY), role: readerRole(TOY) });
  onTestFinished(() => reader.end());
  await reader.unsafe(
    'create temp table log_follower (follower text, partition int, position bigint, told_at timestamptz, primary key (follower, partition))',
  );
  await tellPassed(reader, 'order-service', [{ partition: 1, position: 7 }]);
  expect(await sql`select follower, partition, position::int from log_follower`).toEqual([
    { follower: 'order-service', partition: 1, position: 7 },
  ]);
});

test('two writers on one partition keep positions dense and ordered, rollbacks leave no gap', async () => {
  const { url, sql } = await createToy();
  const reader = reading(url, new Bus());
  const write = async (writer: Sql) => {
    for (let i = 0; i < 60; i += 1) {
      const failing = i % 3 === 2;
      const written = writer.begin(async (tx) => {
        await append(tx, outbox({ user_id: 1 }, { user_id: 2 }, { user_id: 1 }, { user_id: 0 }), new Date());
        if (failing) throw new Error('rolled back');
      });
      await (failing ? expect(written).rejects.toThrow('rolled back') : written);
    }
  };
  let writing = true;
  const watch = async () => {
    const seen: number[] = [];
    while (writing || seen.length < (await reader.end(1))) {
      for (const { position } of await reader.read(1, seen.length, 1000)) seen.push(position);
    }
    return seen;
  };
  const watched = watch();
  await Promise.all([write(connectFor(url)), write(connectFor(url))]);
  writing = false;
  const dense = Array.from({ length: 160 }, (_, i) => i + 1);
  expect(await watched).toEqual(dense);
  expect(await positions(sql, 1)).toEqual(dense);
  expect(await positions(sql, 2)).toEqual(dense.slice(0, 80));
});

test('an append that meets no head row is refused', async () => {
  const { sql } = await createToy();
  await sql`delete from log_head where partition = 1`;
  await expect(sql.begin((tx) => append(tx, outbox({ user_id: 1 }), new Date()))).rejects.toThrow(
    'null value in column "position"',
  );
});
