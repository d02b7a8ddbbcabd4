import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { withCopy } from '../copy.ts';
import { BUGS } from './bugs.ts';
import { plant } from './edits.ts';
import { simulate } from './instruments.ts';

const signal = new AbortController().signal;

test('the bugs that have to be found are all there', () => {
  expect(BUGS.map(({ name }) => name)).toEqual([
    'acknowledge before commit',
    'cursor moved outside the transaction',
    'cursor without compare-and-set',
    'balance read without lock',
    'accounts carried over without compare-and-set',
    'letter written on a repeated event',
    'append without the head lock',
    'position gap skipped',
    'idempotency reply stored in a second transaction',
    'events removed that a follower has not passed',
    'retry with a fresh key',
    'decided order decided again',
    'fresh read that does not wait',
    'pending order read as it is',
    'refusal of just what is there',
    'keys of all users in one',
    'statement with the balance of the other side',
    'queue without bound',
    'refusal that no document declares',
    'reply that is not as its schema says',
    'amounts by their look',
    'control characters in names',
    'request that is never answered',
    'broken connections counted as under way',
  ]);
});

test.each(BUGS)('$name can be planted in the project as it is', async ({ edits }) => {
  await withCopy((copy) => plant(copy, edits));
});

test.each([
  ['is not there', 'no such text', '0 times'],
  ['is there more than once', 'import', '[0-9]+ times'],
])('an edit to a text that %s is refused', async (_what, find, times) => {
  const edits = [{ file: 'runtime/cursors.ts', find, replace: '' }];
  await expect(withCopy((copy) => plant(copy, edits))).rejects.toThrow(
    new RegExp(`^runtime/cursors.ts holds "${find}" ${times}`),
  );
});

test('what is planted in a copy is what the copy loads, from wherever', async () => {
  const edits = [{ file: 'runtime/log.ts', find: 'user_id % partitions', replace: '4711' }];
  const program = `
    import { partitionOf } from '@stream-processing/runtime/log.ts';
    import { Outbox } from './runtime/outbox.ts';
    const outbox = new Outbox(4);
    outbox.add({ type: 'Added', user_id: 1, data: {} }, null);
    console.log(partitionOf(1, 4), outbox.events[0].partition);`;
  await withCopy(async (copy) => {
    await plant(copy, edits);
    const args = ['--input-type=module', '--eval', program];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: copy });
    expect(stdout).toBe('4711 4711\n');
  });
  const { partitionOf } = await import('@stream-processing/runtime/log.ts');
  expect(partitionOf(1, 4)).toBe(1);
});

test('a copy that cannot be loaded is an error, not a finding', async () => {
  await withCopy(async (copy) => {
    await plant(copy, [
      { file: 'runtime/share.ts', find: 'export class Share', replace: 'export klass Share' },
    ]);
    await expect(simulate({ copy, signal }, 1)).rejects.toThrow('SyntaxError');
  });
});
