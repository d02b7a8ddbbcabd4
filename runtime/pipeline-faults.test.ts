/** What becomes of a batch whose transaction, or what has to follow it, fails. */
import { expect, onTestFinished, test } from 'vitest';
import { cutAtCommit } from '../test/cutting-proxy.ts';
import { add, connectFor, counter, createToy, positions, TOY, toyPipeline, toyWork } from '../test/toy.ts';
import { until } from '../test/until.ts';
import type { Told } from './answers.ts';
import { connect, type Sql, schemaOf } from './sql.ts';
import { ConnectionLost } from './sql-errors.ts';

test('a deadlock at every try is no error of the service: the caller is told to try again', async () => {
  const { sql } = await createToy();
  let tries = 0;
  const work = {
    ...toyWork,
    save(tx: Parameters<typeof toyWork.save>[0]) {
      tries += 1;
      void tx`select fail('40P01', 'deadlock detected')`;
    },
  };
  const { pipeline } = toyPipeline(sql, { work });
  await expect(pipeline.submit(add(1))).rejects.toMatchObject({ code: 'unavailable' });
  expect(tries).toBeGreaterThan(1);
  expect(await counter(sql, 1)).toBeUndefined();
});

test('a deadlock is tried again and ends well', async () => {
  const { sql, url } = await createToy();
  await toyPipeline(sql).pipeline.submit(add(1));
  let loaded = () => {};
  const hasLoaded = new Promise<void>((resolve) => {
    loaded = resolve;
  });
  const work = {
    ...toyWork,
    async load(...args: Parameters<typeof toyWork.load>) {
      await toyWork.load(...args);
      loaded();
    },
  };
  const { pipeline } = toyPipeline(connectFor(url), { work });
  let submitted: Promise<unknown> | undefined;
  // Holds the head that the append needs, then asks for the row that load has locked. PostgreSQL ends one of the two.
  const crossing = connectFor(url).begin(async (tx) => {
    await tx`set local deadlock_timeout = '10s'`;
    await tx`select from log_head where partition = 1 for update`;
    submitted = pipeline.submit(add(1));
    await hasLoaded;
    await tx`select from counters where user_id = 1 for update`;
  });
  await crossing;
  await submitted;
  const [stats] = await sql`select deadlocks::int from pg_stat_database where datname = current_database()`;
  expect(stats).toEqual({ deadlocks: 1 });
  expect(await counter(sql, 1)).toBe(2);
  expect(await positions(sql, 1)).toEqual([1, 2]);
});

test.each([
  ['reached PostgreSQL, is found committed and not done again', 'answer'],
  ['did not reach PostgreSQL, is found aborted and done again', 'request'],
] as const)('a commit whose connection broke and that %s', async (_what, cut) => {
  const { sql, url } = await createToy();
  const proxy = await cutAtCommit(url, cut);
  const { pipeline, commits } = toyPipeline(connectFor(proxy.url, 1));
  const result = await pipeline.submit(add(1));
  expect(result).toMatchObject({ decision: { value: 1 } });
  expect(proxy.cuts()).toBe(1);
  expect(commits).toHaveLength(1);
  expect(await counter(sql, 1)).toBe(1);
  expect(await positions(sql, 1)).toEqual([1]);
});

test('what is committed and cannot be told to others is not answered as if nothing had been done', async () => {
  const { sql } = await createToy();
  const lost = new ConnectionLost(new Error('cut'));
  const { pipeline } = toyPipeline(sql, { published: () => Promise.reject(lost) });
  await expect(pipeline.submit(add(1))).rejects.toMatchObject({ code: 'outcome_unknown' });
  expect(await counter(sql, 1)).toBe(1);
});

test('who waits for what was decided hears of it at the commit, and not only when what else it holds can be seen by others', async () => {
  const { sql } = await createToy();
  const { promise: never, resolve: publish } = Promise.withResolvers<void>();
  const { pipeline, commits } = toyPipeline(sql, { published: () => never });
  const answer = pipeline.submit(add(1));
  await until('the commit is told', () => commits.length === 1);
  publish();
  await answer;
  expect(commits).toHaveLength(1);
});

test('an answer waits for all that was said of its user, whatever else is in the same transaction', async () => {
  const { sql } = await createToy();
  const { promise: never } = Promise.withResolvers<void>();
  const told: Told[] = [];
  const published = (what: Told) => {
    told.push(what);
    return what.partition === 2 ? never : undefined;
  };
  const { pipeline } = toyPipeline(sql, { published });
  const stalled = pipeline.submit(add(2), { user_id: 2 });
  // By 0 cannot be decided, and user 901 is not known: there is nothing to be seen.
  const others = [add(1), add(5), add(3), add(4, 0), add(901)].map((command) =>
    pipeline.submit(command, { user_id: command.command.user_id }).catch(() => {}),
  );
  await Promise.all(others);
  expect(told).toEqual([
    { partition: 2, position: 1 },
    { partition: 1, position: 2 },
    { partition: 3, position: 1 },
  ]);
  expect(
    await Promise.race([stalled.then(() => 'answered'), pipeline.submit(add(6, 0)).catch(() => 'waits')]),
  ).toBe('waits');
});

test('who is answered without an event of his own waits for all that the log holds of his partition', async () => {
  const { sql } = await createToy();
  const told: Told[] = [];
  const decide = (...given: Parameters<typeof toyWork.decide>) => ({
    ...toyWork.decide(...given),
    events: given[1].by === 2 ? [] : toyWork.decide(...given).events!,
  });
  const { pipeline } = toyPipeline(sql, {
    work: { ...toyWork, decide },
    published: (what) => void told.push(what),
  });
  await pipeline.submit(add(5, 2), { user_id: 5 });
  await pipeline.submit(add(5), { user_id: 5 });
  const idempotency = { scope: 's', key: 'k', request: Buffer.alloc(32) };
  const kept = { idempotency, reply: () => ({ status: 200, body: {} }) };
  for (const user_id of [5, undefined]) {
    const scope = { ...kept, idempotency: { ...idempotency, scope: String(user_id) } };
    for (let time = 1; time <= 2; time += 1)
      await pipeline.submit(add(5, 2), { ...scope, ...(user_id === undefined ? {} : { user_id }) });
  }
  expect(told).toEqual([
    { partition: 1, position: undefined },
    { partition: 1, position: 1 },
    // Kept, and given again: of a user who is named, and of one who is not.
    { partition: 1, position: undefined },
    { partition: 1, position: undefined },
    { partition: undefined, position: undefined },
  ]);
});

test('where the positions of its events did not become known, others have to see all that the log holds there', async () => {
  const { url, sql } = await createToy();
  const told: Told[] = [];
  const options = { published: (what: Told) => void told.push(what) };
  const { pipeline } = toyPipeline(sql, options);
  await pipeline.submit(add(1));
  const proxy = await cutAtCommit(url, 'answers');
  const cut = toyPipeline(connectFor(proxy.url, 1), options);
  await cut.pipeline.submit(add(1));
  expect(proxy.cuts()).toBe(1);
  expect(await positions(sql, 1)).toEqual([1, 2]);
  expect(told).toEqual([
    { partition: 1, position: 1 },
    { partition: 1, position: undefined },
  ]);
});

test('a batch that others keep locked for too long is refused as a whole, and not command by command', async () => {
  const { url, sql } = await createToy();
  const impatient = connect(url, {
    max: 1,
    name: 'test',
    schema: schemaOf(TOY),
    writes: true,
    lock_ms_max: 50,
  });
  onTestFinished(() => impatient.end());
  let begun = 0;
  const counting = {
    begin: (work: Parameters<Sql['begin']>[0]) => {
      begun += 1;
      return impatient.begin(work);
    },
  } as unknown as Sql;
  const { pipeline } = toyPipeline(counting, { recovery_ms_max: 300 });
  await pipeline.submit(add(1));
  const COMMANDS = 64;
  await sql.begin(async (tx) => {
    await tx`select * from counters for update`;
    const refused = await Promise.all(
      Array.from({ length: COMMANDS }, () => pipeline.submit(add(1)).catch((error) => error.code)),
    );
    expect(new Set(refused)).toEqual(new Set(['unavailable']));
    // Each of 64 commands, and each half and quarter before it, would begin twice by itself.
    expect(begun).toBeLessThan(20);
  });
  await pipeline.submit(add(1));
  expect(await counter(sql, 1)).toBe(2);
});

test('what another try mends is tried again, however late it is', async () => {
  const { sql } = await createToy();
  let begun = 0;
  const colliding = {
    begin: async (work: Parameters<Sql['begin']>[0]) => {
      begun += 1;
      if (begun === 1) throw Object.assign(new Error('two writers met'), { code: '23505' });
      return sql.begin(work);
    },
  } as unknown as Sql;
  const { pipeline } = toyPipeline(colliding, { recovery_ms_max: 0 });
  await pipeline.submit(add(1));
  expect(await counter(sql, 1)).toBe(1);
});

test.each([
  ['takes no writes any more', '25006'],
  ['has no room on its disk', '53100'],
])(
  'a database that %s is no defect of the service: the request is refused as unavailable',
  async (_what, code) => {
    const { sql } = await createToy();
    const work = {
      ...toyWork,
      save: (tx: Parameters<typeof toyWork.save>[0]) => void tx`select fail(${code}, 'no more')`,
    };
    const { pipeline } = toyPipeline(sql, { work });
    const refused = [add(1), add(2)].map((each) => pipeline.submit(each).catch((error) => error.code));
    expect(await Promise.all(refused)).toEqual(['unavailable', 'unavailable']);
  },
);

test.each([
  ['25006', 'is given up: a server that takes no writes would be met again and again', false],
  ['53100', 'stays', true],
])('after %s the connection %s', async (code, _what, stays) => {
  const { url } = await createToy();
  const sql = connectFor(url, 1);
  const pid = async () => (await sql`select pg_backend_pid() as pid`)[0]!.pid;
  const before = await pid();
  await expect(sql.begin((tx) => tx`select fail(${code}, 'no more')`)).rejects.toMatchObject({ code });
  expect((await pid()) === before).toBe(stays);
});

test('without a database a request is refused as unavailable', async () => {
  const { sql } = await createToy();
  const { pipeline } = toyPipeline(connectFor('postgres://postgres:x@127.0.0.1:1/none'));
  await expect(pipeline.submit(add(1))).rejects.toMatchObject({ code: 'unavailable', status: 503 });
  expect(await counter(sql, 1)).toBeUndefined();
});
