import { expect, test } from 'vitest';
import { figureText, type Result, renderTable, summarize } from './report.ts';
import { percentile, spreadOf } from './statistics.ts';

test('a percentile is a value that was there; the median of an even number is the mean of the middle', () => {
  const values = [50, 10, 40, 20, 30];
  expect(percentile(values, 50)).toBe(30);
  expect(percentile(values, 99)).toBe(50);
  expect(percentile(values, 20)).toBe(10);
  expect(percentile([4, 1, 3, 2], 50)).toBe(2.5);
  expect(percentile([7], 99.9)).toBe(7);
  expect(() => percentile([], 50)).toThrow('no values');
});

test('the order of the values is kept', () => {
  const values = [3, 1, 2];
  expect(spreadOf(values)).toEqual({ median: 2, min: 1, max: 3 });
  expect(values).toEqual([3, 1, 2]);
});

const round = (number: number, ours: number, sql: number): Result[] => [
  {
    case: 'ours-64',
    round: number,
    rows: [{ name: 'ours', value: ours, unit: 'orders/s', p50_ms: number, errors: 1, against: ['sql'] }],
  },
  { case: 'baseline', round: number, rows: [{ name: 'sql', value: sql, unit: 'orders/s' }] },
];

test('a ratio is taken in each round, then its median', () => {
  const [ours, sql] = summarize([...round(1, 100, 50), ...round(2, 900, 300), ...round(3, 400, 400)]);
  expect(ours).toMatchObject({
    name: 'ours',
    rounds: 3,
    value: { median: 400, min: 100, max: 900 },
    p50_ms: 2,
    errors: 3,
    ratios: [{ to: 'sql', median: 2, min: 1, max: 3 }],
  });
  expect(sql).toMatchObject({ name: 'sql', value: { median: 300 }, ratios: [] });
});

test('a ratio to a case that did not run is left out', () => {
  expect(summarize(round(1, 100, 50).slice(0, 1))).toMatchObject([{ name: 'ours', ratios: [] }]);
});

test('a case that failed in one round has no figures, and nobody is compared with it', () => {
  const failed: Result = { case: 'baseline', round: 2, rows: [], failed: 'two letters too few' };
  const lines = summarize([...round(1, 100, 50), round(2, 100, 50)[0]!, failed]);
  expect(lines).toMatchObject([
    { name: 'ours', ratios: [{ median: 2 }] },
    { name: 'baseline', failed: 'round 2: two letters too few' },
  ]);
  expect(lines[1]).not.toHaveProperty('value');
  expect(renderTable(lines)).toContain('FAILED');
});

test('the table', () => {
  const lines = summarize([...round(1, 12_345.6, 50), ...round(2, 12_345.6, 100)]);
  expect(renderTable(lines).split('\n')).toEqual([
    '| measured | median |       min–max | unit     | ratio                        | mean ms | p50 ms | p99 ms | p99.9 ms | errors | note |',
    '| -------- | -----: | ------------: | -------- | ---------------------------- | ------: | -----: | -----: | -------: | -----: | ---- |',
    '| ours     | 12,346 | 12,346–12,346 | orders/s | 185.18 (123.46–246.91) × sql |         |   1.50 |        |          |      2 |      |',
    '| sql      |   75.0 |      50.0–100 | orders/s |                              |         |        |        |          |        |      |',
  ]);
});

test.each([
  [12345.6, '12,346'],
  [100, '100'],
  [45.64, '45.6'],
  [0.777, '0.78'],
])('%d is written %s', (value, text) => {
  expect(figureText(value)).toBe(text);
});
