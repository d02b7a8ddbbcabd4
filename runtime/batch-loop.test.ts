import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { BatchLoop } from './batch-loop.ts';

const FIRST_TURN = 1;

// Turns are as long as tests say, however busy the machine is.
beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

/** Runs batches that last so many turns and have so many answers, and tells in which turn of the event loop each answer was given. */
async function turnsOf(
  batches: { waiting: number; answers: number; turns?: number; turn_ms?: number }[],
): Promise<number[][]> {
  let turn = 0;
  const turns: number[][] = batches.map(() => []);
  const left = batches.map((batch, i) => ({ ...batch, i }));
  const loop = new BatchLoop({
    waiting: () => left[0]?.waiting ?? 0,
    async next() {
      const { answers, turns: lasts = 0, i } = left.shift()!;
      for (const end = turn + lasts; turn < end; ) await new Promise(setImmediate);
      loop.afterwards(Array.from({ length: answers }, () => () => void turns[i]!.push(turn)));
    },
    rested: () => {},
  });
  let counting: NodeJS.Immediate;
  const count = () => {
    turn += 1;
    vi.advanceTimersByTime(batches[0]!.turn_ms ?? 0);
    counting = setImmediate(count);
  };
  count();
  loop.wake();
  while (turns.some((given, i) => given.length < batches[i]!.answers) && turn < 1000) {
    await new Promise(setImmediate);
  }
  clearImmediate(counting!);
  return turns;
}

test('a few answers at each turn of the event loop, so that the database is heard in between', async () => {
  const [turns] = await turnsOf([{ waiting: 100, answers: 100 }]);
  expect(turns).toHaveLength(100);
  expect(new Set(turns).size).toBeGreaterThanOrEqual(100 / 16);
});

test('where turns of the event loop are long, all answers go with the first', async () => {
  const [turns] = await turnsOf([{ waiting: 100, answers: 100, turn_ms: 6 }]);
  expect(turns).toHaveLength(100);
  expect(new Set(turns).size).toBe(1);
});

test('a crowd waits for no turn: neither to be taken nor to be answered, whoever was being answered before', async () => {
  const batches = [
    { waiting: 1000, answers: 100 },
    { waiting: 1000, answers: 1000 },
    { waiting: 1000, answers: 1000 },
  ];
  const turns = await turnsOf(batches);
  expect(turns.map((given) => given.length)).toEqual([100, 1000, 1000]);
  expect(new Set(turns.flat())).toEqual(new Set([FIRST_TURN]));
});

test('what was answered already does not make a crowd of what was not', async () => {
  const [, turns] = await turnsOf([
    { waiting: 1, answers: 200 },
    { waiting: 1, answers: 200, turns: 8 },
  ]);
  expect(turns).toHaveLength(200);
  expect(new Set(turns).size).toBeGreaterThanOrEqual(200 / 16);
});

test('a run that the end of another one begins is waited for', async () => {
  let waiting = 0;
  let batches = 0;
  const loop = new BatchLoop({
    waiting: () => waiting,
    async next() {
      waiting = 0;
      await new Promise(setImmediate);
      batches += 1;
    },
    rested() {
      if (batches > 0) return;
      waiting = 1;
      loop.wake();
    },
  });
  loop.wake();
  await loop.rest();
  expect(batches).toBe(1);
});

test('whoever wakes it for nothing does not put it to sleep for ever', async () => {
  let waiting = 0;
  let batches = 0;
  const loop = new BatchLoop({
    waiting: () => waiting,
    async next() {
      waiting = 0;
      batches += 1;
    },
    rested: () => {},
  });
  loop.wake();
  expect(loop.isRunning).toBe(false);
  waiting = 1;
  loop.wake();
  expect(loop.isRunning).toBe(true);
  await loop.rest();
  expect(batches).toBe(1);
  expect(loop.isRunning).toBe(false);
});
