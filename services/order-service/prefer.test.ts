import fc from 'fast-check';
import { expect, test } from 'vitest';
import { WAIT_DEFAULT, WAIT_MAX, waitOf } from './prefer.ts';

const DEFAULT = { ms: WAIT_DEFAULT * 1000, applied: undefined };

test.each([
  ['wait=0', 0, 'wait=0'],
  ['wait=7', 7000, 'wait=7'],
  ['wait="7"', 7000, 'wait=7'],
  ['Wait = 7', 7000, 'wait=7'],
  ['wait=30', 30_000, 'wait=30'],
  ['wait=31', 30_000, 'wait=30'],
  ['wait=999999999', 30_000, 'wait=30'],
  ['respond-async', 0, 'respond-async'],
  ['Respond-Async', 0, 'respond-async'],
  ['respond-async, wait=7', 0, 'respond-async'],
  ['wait=7, respond-async', 0, 'respond-async'],
  ['handling=lenient, wait=7', 7000, 'wait=7'],
  ['wait=7, wait=8', 7000, 'wait=7'],
  ['wait=7; unit=seconds', 7000, 'wait=7'],
  ['respond-async; why="not now"', 0, 'respond-async'],
])('Prefer: %s waits %i ms and is answered by Preference-Applied: %s', (header, ms, applied) => {
  expect(waitOf(header)).toEqual({ ms, applied });
});

test.each([
  undefined,
  '',
  ',',
  'wait',
  'wait=',
  'wait=-1',
  'wait=1.5',
  'wait=1e1',
  'wait=soon',
  'wait=9999999999',
  'waiting=7',
  'x-wait=7',
  'return=minimal',
  '=7',
  'wait==7',
])('Prefer: %s is passed over', (header) => {
  expect(waitOf(header)).toEqual(DEFAULT);
});

test('a header that came twice counts as one list', () => {
  expect(waitOf(['return=minimal', 'wait=7'])).toEqual({ ms: 7000, applied: 'wait=7' });
});

test('whatever is preferred, the wait is a whole number of seconds within its bounds', () => {
  const words = fc.array(fc.constantFrom('wait', 'respond-async', '=', ',', ';', ' ', '"', '7', '99'), {
    size: '+1',
  });
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        words.map((parts) => parts.join('')),
      ),
      (header) => {
        const { ms, applied } = waitOf(header);
        expect(Number.isInteger(ms / 1000) && ms >= 0 && ms <= WAIT_MAX * 1000).toBe(true);
        if (applied === undefined) expect(ms).toBe(DEFAULT.ms);
      },
    ),
  );
});
