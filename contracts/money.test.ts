import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AMOUNT_MAX, decimalText, fromMinor, toMinor } from './money.ts';

/** From here on two neighbouring doubles lie further apart than a hundredth. */
const BLURRED_ABOVE = 2n ** 46n * 100n;

const amounts = (max: bigint) =>
  fc.oneof(
    fc.bigInt({ min: 1n, max }),
    fc.bigInt({ min: 1n, max: 100_000n }),
    fc.bigInt({ min: max - 1000n, max }),
  );

/** The minor units of a text of digits, without any floating point. */
function minorOf(text: string): bigint {
  const [units = '', hundredths = ''] = text.replace('-', '').split('.');
  return BigInt(units + hundredths.padEnd(2, '0')) * (text.startsWith('-') ? -1n : 1n);
}

test('every amount that a double can tell apart comes back as it went out', () => {
  fc.assert(
    fc.property(amounts(BLURRED_ABOVE), (minor) => {
      expect(toMinor(JSON.parse(JSON.stringify(fromMinor(minor))))).toBe(minor);
    }),
    { numRuns: 2000 },
  );
});

test('every sum is written with its exact digits, whatever a double could hold of it', () => {
  const sums = fc.oneof(amounts(AMOUNT_MAX), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n }));
  fc.assert(
    fc.property(sums, (minor) => {
      expect(minorOf(JSON.stringify(fromMinor(minor)))).toBe(minor);
    }),
    { numRuns: 2000 },
  );
});

test('a sum is a plain number up to the last that a double holds, beyond it a literal with both decimals', () => {
  for (const sign of [1n, -1n]) {
    expect(fromMinor(sign * 1050n)).toBe(Number(sign) * 10.5);
    expect(fromMinor(sign * BLURRED_ABOVE)).toBe(Number(sign) * 2 ** 46);
    expect(JSON.stringify(fromMinor(sign * (BLURRED_ABOVE + 100n)))).toBe(`${sign * (2n ** 46n + 1n)}.00`);
  }
});

test('the text of a sum has two decimals and every digit', () => {
  fc.assert(
    fc.property(fc.bigInt(), (minor) => {
      expect(decimalText(minor)).toMatch(/^-?(0|[1-9]\d*)\.\d\d$/);
      expect(minorOf(decimalText(minor))).toBe(minor);
    }),
  );
});

test.each([
  [0n, '0.00'],
  [1n, '0.01'],
  [-1n, '-0.01'],
  [10n, '0.10'],
  [1250n, '12.50'],
  [AMOUNT_MAX, '90000000000000.00'],
])('%s minor units are the text %s', (minor, text) => {
  expect(decimalText(minor)).toBe(text);
});

test.each([
  [0.01, 1n],
  [0.1, 10n],
  [1e2, 10_000n],
  [10.5, 1050n],
  [1.1, 110n],
  [4.35, 435n],
  [8_999_999_999_999.99, 899_999_999_999_999n],
  [90_000_000_000_000.0, AMOUNT_MAX],
])('the amount %s is %s minor units', (amount, minor) => {
  expect(toMinor(amount)).toBe(minor);
});

test.each([
  0,
  -0,
  -1,
  -0.01,
  0.1 + 0.2,
  0.001,
  1.005,
  1e-7,
  90_000_000_000_000.02,
  90_000_000_000_001,
  1e21,
  Number.MAX_VALUE,
  Number.POSITIVE_INFINITY,
  Number.NaN,
])('%s is not an amount', (amount) => {
  expect(toMinor(amount)).toBeUndefined();
});

test('whatever has a third decimal is refused, never rounded', () => {
  const thousandths = fc.integer({ min: 1, max: 10 ** 15 }).filter((n) => n % 10 !== 0);
  fc.assert(
    fc.property(thousandths, (n) => {
      expect(toMinor(n / 1000)).toBeUndefined();
    }),
  );
});

test('any number is either refused or taken for exactly what it says', () => {
  fc.assert(
    fc.property(fc.double(), (amount) => {
      const minor = toMinor(amount);
      if (minor === undefined) return;
      expect(minor > 0n && minor <= AMOUNT_MAX).toBe(true);
      expect(Number(decimalText(minor))).toBe(amount);
    }),
  );
});
