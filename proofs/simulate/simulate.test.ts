import { beforeAll, expect, test } from 'vitest';
import { Database } from './database.ts';
import { play } from './world.ts';

let database: Database;
beforeAll(async () => {
  database = await Database.create();
});

test('the same seed gives the same trace, and another seed another one', async () => {
  const seeds = [1, 2, 3, 4];
  const hashes = async () => {
    const found = [];
    for (const seed of seeds) found.push((await play(database, seed)).hash);
    return found;
  };
  const first = await hashes();
  expect(await hashes()).toEqual(first);
  expect(new Set(first).size).toBe(seeds.length);
});
