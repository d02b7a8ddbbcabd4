import { expect, test } from 'vitest';
import { stillOffending } from './invariant.ts';

const finding = (...offences: object[]) => ({ looked: `${offences.length} rows`, offences });

test('what is wrong at one place is wrong still, however far things have gone on there', () => {
  const before = finding({
    service: 'billing-service',
    source: 'order-service',
    partition: 3,
    cursor: 1000n,
    head: 900n,
  });
  const now = finding(
    { service: 'billing-service', source: 'order-service', partition: 3, cursor: 1000n, head: 917n },
    { service: 'billing-service', source: 'order-service', partition: 4, cursor: 8n, head: 7n },
  );
  expect(stillOffending(now, before).offences).toEqual([now.offences[0]]);
});

test('what was under way in one look and is not in the next was not wrong', () => {
  const before = finding({ event: { partition: 1, position: 5n }, letter: undefined });
  const now = finding({ event: { partition: 1, position: 9n }, letter: undefined });
  expect(stillOffending(now, before).offences).toEqual([]);
  expect(stillOffending(now, undefined).offences).toEqual(now.offences);
});
