import { expect, test } from 'vitest';
import { Admission } from './admission.ts';

/** Serves `rate` requests a second for so many seconds, in batches each 10 ms. */
function admissionAfter(...phases: { rate: number; seconds: number }[]) {
  const admission = new Admission(512, 8192);
  let now = performance.now();
  for (const { rate, seconds } of phases) {
    for (let batch = 0; batch < seconds * 100; batch += 1) {
      now += 10;
      admission.serve(rate / 100, now);
    }
  }
  return admission;
}

test('at rest a burst is taken', () => {
  expect(new Admission(512).limit).toBe(512);
  expect(admissionAfter({ rate: 100, seconds: 5 }).limit).toBe(512);
});

test('under load as many may wait as are served in 200 ms', () => {
  expect(admissionAfter({ rate: 10_000, seconds: 1 }).limit).toBeCloseTo(2000, -2);
});

test('when the pace falls, so does the limit', () => {
  expect(admissionAfter({ rate: 20_000, seconds: 1 }, { rate: 5000, seconds: 1 }).limit).toBeLessThan(1100);
});

test('memory bounds it, however fast the machine', () => {
  expect(admissionAfter({ rate: 1_000_000, seconds: 1 }).limit).toBe(8192);
});
