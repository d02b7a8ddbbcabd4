import { expect, test } from 'vitest';
import { type Branch, COUNTED, missingBranches } from './branches.ts';

const taken: Branch[] = COUNTED.map((file) => ({ file, line: 1, code: 'export', count: 1 }));
const never = (code: string): Branch => ({ file: 'runtime/append.ts', line: 7, code, count: 0 });
const beyond = { file: 'runtime/append.ts', code: 'return', why: 'it cannot be' };

test('a branch that never happened fails the run, unless it is known to be beyond reach', () => {
  expect(missingBranches(taken, [])).toEqual([]);
  const missing = ['runtime/append.ts:7 never happened: return 1;'];
  expect(missingBranches([...taken, never('return 1;')], [])).toEqual(missing);
  expect(missingBranches([...taken, never('return 1;')], [beyond])).toEqual([]);
  expect(missingBranches([...taken, never('throw 1;'), never('return 1;')], [beyond])).toEqual([
    'runtime/append.ts:7 never happened: throw 1;',
  ]);
});

test('what is said to be beyond reach must be just that', () => {
  const told = (found: number) => [
    `runtime/append.ts: ${found} branches that never happened begin so, not 1: return`,
  ];
  expect(missingBranches(taken, [beyond])).toEqual(told(0));
  expect(missingBranches([...taken, never('return 1;'), never('return 2;')], [beyond])).toEqual(told(2));
  expect(
    missingBranches([...taken, never('return 1;'), never('return 2;')], [{ ...beyond, times: 2 }]),
  ).toEqual([]);
  expect(missingBranches(taken, [{ ...beyond, rare: true }])).toEqual([]);
});

test('a file that was not played at all fails the run', () => {
  expect(missingBranches(taken.slice(1), [])).toEqual([`${COUNTED[0]} was not played at all`]);
});
