import fc from 'fast-check';
import { expect, test } from 'vitest';
import { traceFor, traceId } from './trace.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
const WELL_FORMED = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

const hex = (length: number) =>
  fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`)).filter((id) => !/^0+$/.test(id));

test("a caller's trace goes on under its id and flags, with a span of our own", () => {
  fc.assert(
    fc.property(hex(32), hex(16), fc.stringMatching(/^[0-9a-f]{2}$/), (trace, span, flags) => {
      const ours = traceFor(`00-${trace}-${span}-${flags}`);
      expect(ours).toMatch(WELL_FORMED);
      expect(ours.slice(0, 36)).toBe(`00-${trace}-`);
      expect(ours.slice(36, 52)).not.toBe(span);
      expect(ours.slice(52)).toBe(`-${flags}`);
      expect(traceId(ours)).toBe(trace);
    }),
  );
});

test.each([
  undefined,
  '',
  'garbage',
  [`00-${TRACE}-${SPAN}-01`, `00-${TRACE}-${SPAN}-01`],
  `00-${TRACE.toUpperCase()}-${SPAN}-01`,
  `00-${'0'.repeat(32)}-${SPAN}-01`,
  `00-${TRACE}-${'0'.repeat(16)}-01`,
  `00-${TRACE}-${SPAN}`,
  `00-${TRACE}-${SPAN}-01-more`,
  `ff-${TRACE}-${SPAN}-01`,
  ` 00-${TRACE}-${SPAN}-01\n`,
])('%j is no trace, so a new one begins', (header) => {
  const trace = traceFor(header);
  expect(trace).toMatch(WELL_FORMED);
  expect(traceId(trace)).not.toBe(TRACE);
  expect(trace).toMatch(/-00$/);
});

test.each([`01-${TRACE}-${SPAN}-01`, `cc-${TRACE}-${SPAN}-01-what-comes-next`])(
  'of a later version, %s, the trace is taken over',
  (header) => {
    const trace = traceFor(header);
    expect(trace).toMatch(WELL_FORMED);
    expect([traceId(trace), trace.slice(-2)]).toEqual([TRACE, '01']);
  },
);

test('every request without a trace gets one of its own', () => {
  const ids = Array.from({ length: 1000 }, () => traceId(traceFor(undefined)));
  expect(new Set(ids).size).toBe(1000);
});
