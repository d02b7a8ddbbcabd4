import { Problem } from '@stream-processing/contracts/problems.ts';

/**
 * JSON.parse that refuses what a double would silently change: `9007199254740993`, `1e400`, or a price with twenty
 * decimals are errors, not neighbours of what was written.
 */
export function parseExactly(text: string): unknown {
  if (!CAN_BE_INEXACT.test(text)) return parse(text);
  let inexact: { holder: object; key: string; source: string } | undefined;
  function look(this: object, key: string, value: unknown, context?: { source?: string }): unknown {
    const source = context?.source;
    if (typeof value === 'number' && source && !isExact(source, value))
      inexact = { holder: this, key, source };
    return value;
  }
  const value = parse(text, look);
  if (!inexact) return value;
  const { holder, key, source } = inexact;
  const path = pathTo(holder, value);
  const pointer = [...(path ?? []), ...(path ? [key] : [])].map((token) => `/${escapeToken(token)}`).join('');
  const detail = `${source.slice(0, 40)} cannot be represented exactly`;
  throw new Problem('invalid_body', undefined, { errors: [{ pointer, detail }] });
}

/**
 * What has to be looked at number by number, which takes eight times as long as parsing alone: numbers of more than 15
 * digits (a double keeps all others), exponents, and anything nested, whose depth it limits too.
 */
const CAN_BE_INEXACT = /[\d.]{16}|\d[eE]|[{[][^{[]*[{[]/;

function parse(text: string, reviver?: Parameters<typeof JSON.parse>[1]): unknown {
  try {
    return JSON.parse(text, reviver);
  } catch (error) {
    // Input that is nested too deeply for the reviver ends in a RangeError.
    throw new Problem(
      'malformed_json',
      error instanceof SyntaxError ? error.message : 'The body is nested too deeply.',
    );
  }
}

/** JSON.parse of what JSON.stringify wrote: a number that was a raw literal stays one, digit by digit. */
export function parseKeepingDigits(text: string): unknown {
  return JSON.parse(text, (_key: string, value: unknown, context?: { source?: string }) => {
    const source = context?.source;
    return typeof value === 'number' && source && source !== String(value)
      ? exactJson.rawJSON(source)
      : value;
  });
}

// Node has it, TypeScript's library does not know it yet.
const exactJson = JSON as unknown as { rawJSON(text: string): unknown };

/** A key as a part of a JSON pointer (RFC 6901). */
export function escapeToken(token: string): string {
  return token.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** The keys that lead from `from` to `holder`; undefined when the number stands alone, outside of any object. */
function pathTo(holder: object, from: unknown): string[] | undefined {
  if (from === holder) return [];
  if (typeof from !== 'object' || from === null) return undefined;
  for (const [key, value] of Object.entries(from)) {
    const rest = pathTo(holder, value);
    if (rest) return [key, ...rest];
  }
  return undefined;
}

function isExact(source: string, value: number): boolean {
  const shortest = String(value);
  return source === shortest || sameDecimal(source, shortest);
}

function sameDecimal(a: string, b: string): boolean {
  const [x, y] = [decimal(a), decimal(b)];
  return (
    x !== undefined &&
    y !== undefined &&
    x.digits === y.digits &&
    (x.digits === '0' || x.exponent === y.exponent)
  );
}

/** `-1.50e3` → digits `-15`, exponent 2: one form for all spellings of a number. */
function decimal(text: string): { digits: string; exponent: number } | undefined {
  const parts = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (!parts) return undefined;
  const [, sign = '', whole = '', fraction = '', power = '0'] = parts;
  const all = (whole + fraction).replace(/^0+/, '');
  // By hand: /0+$/ begins anew at every zero: with 60,000 of them that took three seconds.
  let end = all.length;
  while (all[end - 1] === '0') end -= 1;
  const digits = all.slice(0, end);
  if (digits === '') return { digits: '0', exponent: 0 };
  return { digits: sign + digits, exponent: Number(power) - fraction.length + (all.length - digits.length) };
}
