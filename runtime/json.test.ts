import { Problem } from '@stream-processing/contracts/problems.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseExactly } from './json.ts';

/** The value of a number's text as an integer of `10^-scale`, without any floating point. */
function scaled(text: string, scale: bigint): bigint {
  const [, sign, whole, fraction = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(
    text,
  )!;
  const power = scale + BigInt(exponent) - BigInt(fraction.length);
  return BigInt(`${sign}${whole}${fraction}`) * 10n ** power;
}

/** Does the double that this text is read as still say the same number? */
function isExact(literal: string): boolean {
  const double = Number(literal);
  if (!Number.isFinite(double)) return false;
  return scaled(literal, 1000n) === scaled(String(double), 1000n);
}

const digits = (maxLength: number) =>
  fc.stringMatching(new RegExp(`^(0|[1-9][0-9]{0,${maxLength - 1}})$`), { size: 'max' });

const literals = fc
  .tuple(
    fc.constantFrom('', '-'),
    digits(20),
    fc.option(fc.stringMatching(/^[0-9]{1,20}$/, { size: 'max' }), { nil: undefined }),
    fc.option(
      fc.tuple(fc.constantFrom('e', 'E'), fc.constantFrom('', '+', '-'), fc.integer({ min: 0, max: 340 })),
      {
        nil: undefined,
      },
    ),
  )
  .map(([sign, whole, fraction, power]) => {
    return `${sign}${whole}${fraction === undefined ? '' : `.${fraction}`}${power?.join('') ?? ''}`;
  });

/** Half of them are spellings of a double, so that both answers are well covered. */
const anyLiterals = fc.oneof(
  literals,
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.integer({ min: -(10 ** 15), max: 10 ** 15 }).map((n) => (n / 100).toFixed(2)),
);

test('exactly the numbers that a double would change are refused, in any spelling', () => {
  fc.assert(
    fc.property(anyLiterals, (literal) => {
      const parse = () => parseExactly(`{"amount":${literal}}`);
      if (isExact(literal)) expect(parse()).toEqual({ amount: JSON.parse(literal) });
      else expect(parse).toThrow(Problem);
    }),
    { numRuns: 3000 },
  );
});

test('any value that JSON can say is read as JSON.parse reads it', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), fc.nat(3), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      expect(parseExactly(text)).toStrictEqual(JSON.parse(text));
    }),
  );
});

test('any other text is malformed_json', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      let wellFormed = true;
      try {
        JSON.parse(text);
      } catch {
        wellFormed = false;
      }
      if (!wellFormed)
        expect(() => parseExactly(text)).toThrow(expect.objectContaining({ code: 'malformed_json' }));
    }),
  );
});

test.each(['9007199254740993', '1e400', '-1e400', '1e-400', '0.1000000000000000055', '90000000000000.01'])(
  '%s is refused as the inexact number that it is',
  (literal) => {
    const errors = [{ pointer: '/price', detail: `${literal} cannot be represented exactly` }];
    expect(() => parseExactly(`{"price":${literal}}`)).toThrow(
      expect.objectContaining({ code: 'invalid_body', errors }),
    );
  },
);

test.each([
  ['1e400', ''],
  ['{"a":{"b":1e400}}', '/a/b'],
  ['{"a":[1,{"b":1e400}]}', '/a/1/b'],
  ['{"a/b":{"~":1e400}}', '/a~1b/~0'],
])('the pointer into %s leads to the number: "%s"', (text, pointer) => {
  const errors = [expect.objectContaining({ pointer })];
  expect(() => parseExactly(text)).toThrow(expect.objectContaining({ errors }));
});

test.each(['1', '1.0', '1e0', '100e-2', '0.1', '-0', '0e999', '1.50', '9007199254740992', '1E2'])(
  '%s is taken',
  (literal) => {
    expect(parseExactly(literal)).toBe(Number(literal));
  },
);

test('text that looks like an inexact number stays text', () => {
  expect(parseExactly('{"name":"9007199254740993"}')).toEqual({ name: '9007199254740993' });
});

test('a number of a million digits that are zeros but for the last is refused, and not after a quarter of an hour', () => {
  // Where each zero was a place to begin at, 60,000 of them took three seconds.
  expect(() => parseExactly(`{"a":1${'0'.repeat(1_000_000)}1}`)).toThrow(Problem);
});

test('a body nested 30,000 levels deep is refused, not a crash', () => {
  const deep = '['.repeat(30_000) + ']'.repeat(30_000);
  expect(() => parseExactly(deep)).toThrow(expect.objectContaining({ code: 'malformed_json' }));
});

test.each([10, 1000, 2000, 5000, 10_000])(
  'an inexact number %i levels deep is refused, not a crash',
  (depth) => {
    expect(() => parseExactly(`${'{"a":'.repeat(depth)}1e400${'}'.repeat(depth)}`)).toThrow(Problem);
  },
);

test('__proto__ is a field like any other', () => {
  const parsed = parseExactly('{"__proto__":{"admin":true}}') as object;
  expect(Object.keys(parsed)).toEqual(['__proto__']);
  expect(Object.getPrototypeOf(parsed)).toBe(Object.prototype);
});
