import { expect, test } from 'vitest';
import { Random } from './random.ts';

const first = (seed: number, count: number) => {
  const random = new Random(seed);
  return Array.from({ length: count }, () => random.next());
};

test('a seed repeats its numbers, and its neighbour has others', () => {
  expect(first(1, 100)).toEqual(first(1, 100));
  expect(first(1, 100)).not.toEqual(first(2, 100));
});

test('the first numbers of neighbouring seeds are spread evenly', () => {
  const tenths = Array<number>(10).fill(0);
  for (let seed = 0; seed < 10_000; seed += 1) tenths[Math.floor(first(seed, 1)[0]! * 10)]! += 1;
  for (const count of tenths) expect(Math.abs(count - 1000)).toBeLessThan(200);
});

test('every choice is taken, and none beyond', () => {
  const random = new Random(7);
  const taken = new Set(Array.from({ length: 1000 }, () => random.integer(3, 6)));
  expect([...taken].sort()).toEqual([3, 4, 5, 6]);
});
