import { expect, test } from 'vitest';
import { lastRun } from './seed.ts';

test('the load is spread over the newest users whose ids have no gap among them', () => {
  expect(lastRun([3, 1, 2])).toEqual({ first: 1, last: 3 });
  expect(lastRun([1, 2, 5, 4, 7, 6])).toEqual({ first: 4, last: 7 });
  expect(lastRun([1, 2, 3, 9])).toEqual({ first: 9, last: 9 });
  const { first, last } = lastRun([]);
  expect(last - first + 1).toBe(0);
});
