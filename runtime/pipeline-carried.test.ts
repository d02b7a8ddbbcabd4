/** What a chain's transactions know of one another. */
import { expect, test } from 'vitest';
import { add, createToy, toyPipeline, toyWork } from '../test/toy.ts';
import { transact } from './transaction.ts';

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
