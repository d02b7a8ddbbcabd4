import { Problem } from '@stream-processing/contracts/problems.ts';

/**
 * JSON.parse that refuses what a double would silently change: `9007199254740993`, `1e400`, or a price with twenty
 * decimals are errors, not neighbours of what was written.
 */
export function parseExactly(text: string): unknown {
  try {
    return JSON.parse(text, refuseInexact as Reviver);
  } catch (error) {
    if (error instanceof Problem) throw error;
    // Too deeply nested input ends in a RangeError.
    throw new Problem(
      'malformed_json',
      error instanceof SyntaxError ? error.message : 'The body is nested too deeply.',
    );
  }
}

type Reviver = (key: string, value: unknown) => unknown;

function refuseInexact(key: string, value: unknown, context: { source?: string }): unknown {
  if (typeof value !== 'number' || !context.source) return value;
  if (context.source === String(value) || sameDecimal(context.source, String(value))) return value;
  const detail = `${context.source.slice(0, 40)} cannot be represented exactly`;
  throw new Problem('invalid_body', undefined, { errors: [{ pointer: `/${key}`, detail }] });
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
  const digits = all.replace(/0+$/, '');
  if (digits === '') return { digits: '0', exponent: 0 };
  return { digits: sign + digits, exponent: Number(power) - fraction.length + (all.length - digits.length) };
}
