import { expect, onTestFinished, test } from 'vitest';
import { createDatabase } from '../test/database.ts';
import { TOY } from '../test/toy.ts';
import { until } from '../test/until.ts';
import { type LeaseOptions, Leases } from './leases.ts';
import { connect } from './sql.ts';

const PARTITIONS = 8;

function member(url: string, partitions = PARTITIONS, more: Partial<LeaseOptions> = {}) {
  const working = new Set<number>();
  const leases = new Leases({
    url,
    service: TOY,
    partitions,
    onAcquired: (partition) => void working.add(partition),
    onReleased: async (partition) => void working.delete(partition),
    onError: () => {},
    tickMs: 20,
    ...more,
  });
  onTestFinished(() => leases.close());
  return { leases, working };
}

test('a lone instance holds every partition after its first round', async () => {
  const { leases, working } = member(await createDatabase());
  await leases.start();
  expect(working.size).toBe(PARTITIONS);
});

test('instances share the partitions evenly, no partition twice, and hand over when one comes or goes', async () => {
  const url = await createDatabase();
  const members = [member(url), member(url), member(url)];
  for (const { leases } of members) await leases.start();
  const sizes = () => members.map(({ working }) => working.size).sort();
  await until('three instances hold 2, 3 and 3 partitions', () => sizes().join() === '2,3,3');
  expect(new Set(members.flatMap(({ working }) => [...working])).size).toBe(PARTITIONS);

  await members[0]!.leases.close();
  await until('the other two hold 4 each', () => sizes().join() === '0,4,4');
});

test('five instances share sixteen partitions as evenly as can be: nobody is left without', async () => {
  const url = await createDatabase();
  const members = Array.from({ length: 5 }, () => member(url, 16));
  for (const { leases } of members) await leases.start();
  const sizes = () => members.map(({ working }) => working.size).sort();
  await until('five instances hold 3, 3, 3, 3 and 4 partitions', () => sizes().join() === '3,3,3,3,4');
  expect(new Set(members.flatMap(({ working }) => [...working])).size).toBe(16);
});

test('an instance whose connection dies stops its work, and all partitions are worked on again', async () => {
  const url = await createDatabase();
  const members = [member(url), member(url)];
  for (const { leases } of members) await leases.start();
  await until('two instances hold 4 partitions each', () =>
    members.every(({ working }) => working.size === 4),
  );
  const admin = connect(url, { max: 1, name: 'test', schema: 'public' });
  onTestFinished(() => admin.end());
  const seen = new Set<number>();
  const before = [...members[0]!.working];
  await admin`select pg_terminate_backend(pid) from pg_stat_activity where application_name = ${`${TOY} leases`}`;
  await until('everybody let go', () => {
    for (const { working } of members) seen.add(working.size);
    return seen.has(0);
  });
  await until(
    'all partitions are held again',
    () => members.flatMap(({ working }) => [...working]).length === PARTITIONS,
  );
  expect(before).toHaveLength(4);
});

test('a partition whose work has not ended yet is not taken again, though its lock went with the connection', async () => {
  const url = await createDatabase();
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const { promise: letGo, resolve: onLetGo } = Promise.withResolvers<void>();
  const acquired: number[] = [];
  const { leases } = member(url, PARTITIONS, {
    onAcquired: (partition) => void acquired.push(partition),
    onReleased: (partition) => {
      onLetGo();
      return partition === 3 ? ended : Promise.resolve();
    },
  });
  // Before the leases are closed, which waits for it.
  onTestFinished(() => end());
  await leases.start();
  const admin = connect(url, { max: 1, name: 'test', schema: 'public' });
  onTestFinished(() => admin.end());
  await admin`select pg_terminate_backend(pid) from pg_stat_activity where application_name = ${`${TOY} leases`}`;
  await letGo;
  await until('all others are taken again', () => acquired.length === 2 * PARTITIONS - 1);
  expect(acquired.filter((partition) => partition === 3)).toHaveLength(1);
  end();
  await until('it is taken again', () => acquired.length === 2 * PARTITIONS);
  expect(acquired.at(-1)).toBe(3);
});

test('an instance that stands still has lost its partitions to others, though its connection is sound', async () => {
  const url = await createDatabase();
  const NEVER_MS = 60_000;
  const still = member(url, PARTITIONS, { tickMs: NEVER_MS, idle_ms_max: 1000 });
  await still.leases.start();
  expect(still.working.size).toBe(PARTITIONS);
  const other = member(url);
  await other.leases.start();
  await until('the other one works on all partitions', () => other.working.size === PARTITIONS);
  expect(still.working.size, 'it knows').toBe(0);
});

test('a hand-over that takes longer than the connection may be silent costs no other lease', async () => {
  const url = await createDatabase();
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const { promise: letGo, resolve: onLetGo } = Promise.withResolvers<void>();
  const slow = member(url, PARTITIONS, {
    idle_ms_max: 500,
    onReleased: () => {
      onLetGo();
      return ended;
    },
  });
  onTestFinished(() => end());
  await slow.leases.start();
  const admin = connect(url, { max: 1, name: 'test', schema: 'public' });
  onTestFinished(() => admin.end());
  const [before] = await admin`select pid from pg_stat_activity where application_name = ${`${TOY} leases`}`;
  const other = member(url);
  await other.leases.start();
  await letGo;
  const began = performance.now();
  await until('the connection has lived for thrice as long as it may be silent', async () => {
    const found = await admin`select 1 from pg_stat_activity where pid = ${before!.pid}`;
    if (found.length === 0) throw new Error('PostgreSQL has ended it');
    return performance.now() - began > 1500;
  });
  expect(slow.leases.held).toBe(PARTITIONS / 2);
  end();
  await until('the other one works on its half', () => other.working.size === PARTITIONS / 2);
});
