import { SERVICES } from '@stream-processing/contracts/names.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Announcement, channelOf, decode, encode } from './announcements.ts';

const services = fc.constantFrom(...SERVICES);
const announcements: fc.Arbitrary<Announcement> = fc.record({
  of: fc.constantFrom('log' as const, 'published' as const, ...SERVICES),
  partition: fc.nat(1023),
  position: fc.maxSafeNat(),
});

test('what is announced is heard: of whom, of what, and from which process', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[0-9a-f]{8}$/), services, announcements, (from, service, news) => {
      expect(decode(channelOf(service, news), encode(from, news))).toEqual({ from, service, news });
    }),
  );
});

test('PostgreSQL tells all channels apart', () => {
  const longest = channelOf('notification-service', { of: 'notification-service', partition: 1023 });
  expect(Buffer.byteLength(longest)).toBeLessThanOrEqual(63);
});

test.each([
  ['', 'sender 5'],
  ['billing-service', 'sender 5'],
  ['billing-service log', 'sender 5'],
  ['billing-service log 1 ', 'sender 5'],
  ['billing-service  log 1', 'sender 5'],
  ['billing-service log -1', 'sender 5'],
  ['billing-service log 1.5', 'sender 5'],
  ['billing-service log 0x1', 'sender 5'],
  ['billing-service log 10000', 'sender 5'],
  ['billing-service LOG 1', 'sender 5'],
  ['billing-service payments 1', 'sender 5'],
  ['payment-service log 1', 'sender 5'],
  ['__proto__ log 1', 'sender 5'],
  ['billing-service __proto__ 1', 'sender 5'],
  ['billing-service log 1', ''],
  ['billing-service log 1', '5'],
  ['billing-service log 1', 'sender'],
  ['billing-service log 1', ' 5'],
  ['billing-service log 1', 'sender -5'],
  ['billing-service log 1', 'sender 1e400'],
  ['billing-service log 1', 'sender 9007199254740992'],
  ['billing-service log 1', 'sender 5 6'],
])('"%s" with "%s" announces nothing', (channel, payload) => {
  expect(decode(channel, payload)).toBeUndefined();
});

test('anything is understood as a position of a partition, or passed over', () => {
  const words = fc.constantFrom('log', 'published', ...SERVICES, ' ', '1', '-', '.', 'e', 'x');
  const texts = fc.oneof(
    fc.string(),
    fc.array(words, { size: '+1' }).map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(texts, texts, (channel, payload) => {
      const heard = decode(channel, payload);
      if (!heard) return;
      const { from, service, news } = heard;
      expect(SERVICES).toContain(service);
      expect(['log', 'published', ...SERVICES]).toContain(news.of);
      expect(Number.isSafeInteger(news.position) && news.position >= 0).toBe(true);
      expect([channelOf(service, news), encode(from, news)]).toEqual([channel, payload]);
    }),
    { numRuns: 2000 },
  );
});
