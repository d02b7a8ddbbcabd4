import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Looking } from './looking.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function given() {
  let isNeeded = true;
  const began = Date.now();
  const looked: number[] = [];
  const looking = new Looking({
    async look() {
      looked.push(Date.now() - began);
      if (looked.length === 2) throw new Error('no answer');
    },
    isNeeded: () => isNeeded,
  });
  const rest = () => {
    isNeeded = false;
  };
  return { looking, looked, rest };
}

test('looks soon, then less and less often, also after a failure, and no more when nobody needs it', async () => {
  const { looking, looked, rest } = given();
  looking.begin(true);
  await vi.advanceTimersByTimeAsync(2200);
  expect(looked).toEqual([20, 60, 140, 300, 620, 1120, 1620, 2120]);
  rest();
  await vi.advanceTimersByTimeAsync(5000);
  expect(looked).toHaveLength(8);
  expect(vi.getTimerCount()).toBe(0);
});

test('where wake-ups will come looks seldom, until somebody begins who has none', async () => {
  const { looking, looked } = given();
  looking.begin(false);
  await vi.advanceTimersByTimeAsync(700);
  looking.begin(false);
  expect(looked).toEqual([500]);
  looking.begin(true);
  await vi.advanceTimersByTimeAsync(100);
  expect(looked).toEqual([500, 720, 760]);
});

test('those who begin one after the other do not put it off', async () => {
  const { looking, looked } = given();
  for (let i = 0; i < 20; i += 1) {
    looking.begin(true);
    await vi.advanceTimersByTimeAsync(10);
  }
  expect(looked.length).toBeGreaterThanOrEqual(8);
});

test('looks no more once it is closed', async () => {
  const { looking, looked } = given();
  looking.begin(true);
  await looking.close();
  looking.begin(true);
  await vi.advanceTimersByTimeAsync(2000);
  expect(looked).toEqual([]);
});
