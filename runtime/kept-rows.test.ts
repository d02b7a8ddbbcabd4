import { expect, test } from 'vitest';
import { KeptRows } from './kept-rows.ts';

function keptRows(max?: number) {
  const kept = new KeptRows<{ id: number }>(max);
  const asked: number[][] = [];
  const find = (...ids: number[]) =>
    kept.find(ids, async (missing) => {
      asked.push(missing);
      return missing.filter((id) => id < 100).map((id) => ({ id }));
    });
  return { asked, find };
}

test('a row is asked for once', async () => {
  const { asked, find } = keptRows();
  expect([...(await find(1, 2, 1)).keys()]).toEqual([1, 2]);
  expect([...(await find(2, 3)).values()]).toEqual([{ id: 2 }, { id: 3 }]);
  await find(1, 2, 3);
  expect(asked).toEqual([[1, 2], [3]]);
});

test('a row that is not there yet is asked for again', async () => {
  const { asked, find } = keptRows();
  expect((await find(100)).size).toBe(0);
  await find(100);
  expect(asked).toEqual([[100], [100]]);
});

test('over the bound the oldest row is given up', async () => {
  const { asked, find } = keptRows(2);
  for (const id of [1, 2, 3, 2, 3, 1]) await find(id);
  expect(asked).toEqual([[1], [2], [3], [1]]);
});
