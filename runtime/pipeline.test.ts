import { expect, onTestFinished, test } from 'vitest';
import { cutAtCommit } from '../test/cutting-proxy.ts';
import {
  add,
  connectFor,
  counter,
  createToy,
  positions,
  TOY,
  TOY_SOURCE,
  toyPipeline,
  toyWork,
} from '../test/toy.ts';
import { until } from '../test/until.ts';
import { Admission } from './admission.ts';
import type { Told } from './share.ts';
import { connect, type Sql, schemaOf } from './sql.ts';
import { ConnectionLost } from './sql-errors.ts';
import { transact } from './transaction.ts';

test('commands that arrive together share a transaction, and each gets its own answer', async () => {
  const { sql } = await createToy();
  const { pipeline, commits } = toyPipeline(sql);
  const results = await Promise.all(Array.from({ length: 100 }, () => pipeline.submit(add(1))));
  const values = results.map((result) => 'decision' in result && result.decision.value);
  expect(values).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
  expect(commits).toHaveLength(1);
  expect(await counter(sql, 1)).toBe(100);
  expect(await positions(sql, 1)).toEqual(values);
});

test('what arrives during a transaction forms the next batch', async () => {
  const { sql } = await createToy();
  const { pipeline, commits } = toyPipeline(sql);
  const first = pipeline.submit(add(1));
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  const rest = Array.from({ length: 50 }, () => pipeline.submit(add(2)));
  await Promise.all([first, ...rest]);
  expect(commits.map((commit) => commit.decisions.length)).toEqual([1, 50]);
});

test('a command that cannot be decided fails alone in its batch', async () => {
  const { sql } = await createToy();
  const { pipeline, commits } = toyPipeline(sql);
  const results = await Promise.allSettled([
    pipeline.submit(add(1)),
    pipeline.submit(add(1, 0)),
    pipeline.submit(add(1)),
  ]);
  expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(commits).toHaveLength(1);
  expect(await counter(sql, 1)).toBe(2);
});

test('a command that cannot be saved fails alone in its batch', async () => {
  const { sql } = await createToy();
  const { pipeline } = toyPipeline(sql);
  const submitted = Array.from({ length: 9 }, (_, user_id) =>
    pipeline.submit(add(user_id, user_id === 4 ? 1000 : 1)),
  );
  const results = await Promise.allSettled(submitted);
  expect(results.map((result) => result.status)).toEqual([
    ...Array(4).fill('fulfilled'),
    'rejected',
    ...Array(4).fill('fulfilled'),
  ]);
  expect(await Promise.all([3, 4, 5].map((id) => counter(sql, id)))).toEqual([1, undefined, 1]);
  expect(await positions(sql, 0)).toEqual([1, 2]);
});

test('over the bound of the queue a request is refused at once, and nothing of it is done', async () => {
  const { sql } = await createToy();
  const { pipeline } = toyPipeline(sql, { admission: new Admission(2, 2) });
  const results = await Promise.allSettled([1, 2, 3].map(() => pipeline.submit(add(1))));
  expect(results[2]).toMatchObject({ status: 'rejected', reason: { code: 'overloaded', retry_after: 1 } });
  expect(await counter(sql, 1)).toBe(2);
});

test('closing finishes what was accepted and refuses what comes later', async () => {
  const { sql } = await createToy();
  const { pipeline } = toyPipeline(sql);
  const accepted = pipeline.submit(add(1));
  const closed = pipeline.close();
  await expect(pipeline.submit(add(1))).rejects.toMatchObject({ code: 'stopping' });
  await Promise.all([accepted, closed]);
  expect(await counter(sql, 1)).toBe(1);
});

test('two pipelines on the same users lose no step and keep positions dense', async () => {
  const { sql, url } = await createToy();
  const pipelines = [toyPipeline(sql), toyPipeline(connectFor(url))];
  const jobs = Array.from({ length: 400 }, (_, i) => pipelines[i % 2]!.pipeline.submit(add(i % 8)));
  await Promise.all(jobs);
  const values = await Promise.all(Array.from({ length: 8 }, (_, user_id) => counter(sql, user_id)));
  expect(values).toEqual(Array(8).fill(50));
  for (const partition of [0, 1, 2, 3]) {
    expect(await positions(sql, partition)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
  }
});

test('a run of events moves the cursor with its effects, up to the first one that must wait', async () => {
  const { sql } = await createToy();
  const { pipeline } = toyPipeline(sql);
  const cursor = { source: TOY_SOURCE, partition: 1, from: 0 } as const;
  const result = await pipeline.submitEvents([add(1), add(5), add(901), add(1)], cursor);
  expect(result).toEqual({ applied: 2, stopped: 'missing' });
  expect(await counter(sql, 1)).toBe(1);
  const [row] = await sql`select position::int from cursor where source = ${TOY_SOURCE} and partition = 1`;
  expect(row).toEqual({ position: 2 });
});

test('a second owner of a partition is refused by the cursor, and others in the batch are not disturbed', async () => {
  const { sql } = await createToy();
  const { pipeline } = toyPipeline(sql);
  const cursor = { source: TOY_SOURCE, partition: 1, from: 0 } as const;
  await pipeline.submitEvents([add(1)], cursor);
  const [late, request] = await Promise.all([
    pipeline.submitEvents([add(1), add(1)], cursor),
    pipeline.submit(add(2)),
  ]);
  expect(late).toEqual({ applied: 0, stopped: 'conflict' });
  expect(request).toMatchObject({ decision: { value: 1 } });
  expect(await counter(sql, 1)).toBe(1);
});

test('a second owner whose rows collide with those of the first is told of the first, at once', async () => {
  const { sql } = await createToy();
  const work: typeof toyWork = {
    ...toyWork,
    save(tx, state) {
      const ids = [...state.keys()];
      void tx`insert into counters select * from unnest(${ids}::bigint[], ${ids.map((id) => state.get(id)!)}::bigint[])`;
    },
    load: async () => {},
  };
  let begun = 0;
  const empty = () => {
    begun += 1;
    return new Map<number, number>();
  };
  const { pipeline } = toyPipeline(sql, { work: { ...work, empty } });
  const cursor = { source: TOY_SOURCE, partition: 1, from: 0 } as const;
  expect(await pipeline.submitEvents([add(1)], cursor)).toEqual({ applied: 1 });
  expect(await pipeline.submitEvents([add(1)], cursor)).toEqual({ applied: 0, stopped: 'conflict' });
  expect(begun).toBe(2);
});

test('an event that cannot be saved stops its run; those before it are applied', async () => {
  const { sql } = await createToy();
  const { pipeline } = toyPipeline(sql);
  const events = [add(1), add(1), add(1), add(5, 1000), add(1)];
  let from = 0;
  let stopped: unknown;
  while (from < events.length && !stopped) {
    const result = await pipeline.submitEvents(events.slice(from), {
      source: TOY_SOURCE,
      partition: 1,
      from,
    });
    from += result.applied;
    if (result.applied === 0) stopped = result.stopped;
  }
  expect(from).toBe(3);
  expect(String(stopped)).toMatch(/check constraint/);
  expect(await counter(sql, 1)).toBe(3);
});

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

test('where the positions of its events did not become known, others have to see all that the log holds', async () => {
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
    { ends: new Map([[1, 1]]), isMore: false },
    { ends: new Map(), isMore: true },
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

test('without a database a request is refused as unavailable', async () => {
  const { sql } = await createToy();
  const { pipeline } = toyPipeline(connectFor('postgres://postgres:x@127.0.0.1:1/none'));
  await expect(pipeline.submit(add(1))).rejects.toMatchObject({ code: 'unavailable', status: 503 });
  expect(await counter(sql, 1)).toBeUndefined();
});

test('a command submitted in the very moment of the answer before it is not forgotten', async () => {
  const { sql } = await createToy();
  const { pipeline } = toyPipeline(sql);
  // Each submission comes a few microtasks after the answer to the one before: one of them meets the moment of rest.
  for (let turns = 0; turns < 12; turns += 1) {
    await pipeline.submit(add(1));
    for (let turn = 0; turn < turns; turn += 1) await undefined;
  }
  expect(await counter(sql, 1)).toBe(12);
});

/** A pipeline whose shares a chain would take, and what the newest of them began with. */
async function chainedPipeline() {
  const { sql } = await createToy();
  let began: number[] = [];
  const work = {
    ...toyWork,
    load(...[tx, state, commands]: Parameters<typeof toyWork.load>) {
      began = [...state.keys()];
      return toyWork.load(tx, state, commands);
    },
    carry: async (_tx: unknown, state: Map<number, number>) => state,
  };
  const { pipeline } = toyPipeline(sql, { work });
  const share = (user_id: number) => pipeline.share([{ commands: [add(user_id)], request: {} }]);
  const begins = async () => {
    await transact(sql, [share(9)]);
    return began;
  };
  return { sql, pipeline, share, begins };
}

test("what a chain's transaction knows is carried over to the next one", async () => {
  const { sql, share, begins } = await chainedPipeline();
  await transact(sql, [share(1)]);
  await transact(sql, [share(2)]);
  expect(await begins()).toEqual([1, 2]);
});

type Toy = ReturnType<typeof toyPipeline>['pipeline'];

test.each<{ what: string; happens: (pipeline: Toy) => unknown }>([
  {
    what: 'the chain gives a share back',
    happens: (pipeline) => pipeline.takeBack(pipeline.share([]), new Error('not committed')),
  },
  { what: 'the service writes by itself', happens: (pipeline) => pipeline.submit(add(3)) },
  { what: 'another process writes', happens: (pipeline) => pipeline.forget() },
])('when $what nothing is carried over', async ({ happens }) => {
  const { sql, pipeline, share, begins } = await chainedPipeline();
  await transact(sql, [share(1)]);
  await happens(pipeline);
  expect(await begins()).toEqual([]);
});

test('a transaction carries nothing over that others overtake while it is under way', async () => {
  const { sql, pipeline, share, begins } = await chainedPipeline();
  const under_way = share(1);
  pipeline.forget();
  await transact(sql, [under_way]);
  expect(await begins()).toEqual([]);
});
