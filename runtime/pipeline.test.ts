import { expect, test } from 'vitest';
import {
  add,
  connectFor,
  counter,
  createToy,
  positions,
  TOY_SOURCE,
  toyPipeline,
  toyWork,
} from '../test/toy.ts';
import { Admission } from './admission.ts';

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
