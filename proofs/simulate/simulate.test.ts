import { beforeAll, expect, test } from 'vitest';
import type { Database } from './database.ts';
import { createDatabase, play } from './world.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

test('the same seed gives the same trace, whatever was played before, and another seed another one', async () => {
  const seeds = [11, 12, 13, 14];
  const hashes = async (order: number[]) => {
    const found = new Map<number, string>();
    for (const seed of order) found.set(seed, (await play(database, seed)).hash);
    return found;
  };
  const first = await hashes(seeds);
  expect(new Set(first.values()).size).toBe(seeds.length);
  expect(await hashes(seeds.toReversed())).toEqual(first);
});
