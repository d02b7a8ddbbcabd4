import { SERVICES } from '@stream-processing/contracts/names.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Announcement, decode, encode } from './announcements.ts';

const announcements: fc.Arbitrary<Announcement> = fc.record({
  of: fc.constantFrom('log' as const, ...SERVICES),
  partition: fc.nat(1023),
  position: fc.maxSafeNat(),
});

test('what is announced is heard: all of it, in order, from whom it came', () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[0-9a-f]{8}$/),
      fc.array(announcements, { maxLength: 500 }),
      (from, news) => {
        const heard = encode(from, news).map(decode);
        expect(heard.flatMap((each) => each.news)).toEqual(news);
        for (const each of heard) expect(each.from).toBe(from);
      },
    ),
  );
});

test('the longest news fit into payloads that PostgreSQL takes', () => {
  const longest: Announcement = {
    of: 'notification-service',
    partition: 1023,
    position: Number.MAX_SAFE_INTEGER,
  };
  const payloads = encode('12345678', Array(5 * 1024).fill(longest));
  expect(Math.max(...payloads.map((payload) => Buffer.byteLength(payload)))).toBeLessThan(8000);
});

test('no news are no payload', () => {
  expect(encode('12345678', [])).toEqual([]);
});

test.each([
  '',
  'log 1 5',
  'sender;',
  'sender;log',
  'sender;log 1',
  'sender;log  5',
  'sender;log 1 ',
  'sender;log -1 5',
  'sender;log 1 -5',
  'sender;log 1.5 5',
  'sender;log 1 1e400',
  'sender;log 0x1 5',
  'sender;log x y',
  'sender;LOG 1 5',
  'sender;payment-service 1 5',
  'sender;__proto__ 1 5',
  'sender;undefined 1 5',
])('"%s" announces nothing', (payload) => {
  expect(decode(payload).news).toEqual([]);
});

test('what is good is heard beside what is not', () => {
  expect(decode('sender;garbage;log 3 17;log 3;billing-service 3 4').news).toEqual([
    { of: 'log', partition: 3, position: 17 },
    { of: 'billing-service', partition: 3, position: 4 },
  ]);
});

test('any payload is understood as positions of partitions, or passed over', () => {
  const words = fc.constantFrom('log', ...SERVICES, ' ', ';', '1', '-', '.', 'e', 'x');
  const payloads = fc.oneof(
    fc.string(),
    fc.array(words, { size: '+1' }).map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(payloads, (payload) => {
      for (const { of, partition, position } of decode(payload).news) {
        expect(['log', ...SERVICES]).toContain(of);
        expect(Number.isSafeInteger(partition) && partition >= 0).toBe(true);
        expect(Number.isSafeInteger(position) && position >= 0).toBe(true);
        expect(payload).toContain(`${of} ${partition} ${position}`);
      }
    }),
    { numRuns: 2000 },
  );
});
