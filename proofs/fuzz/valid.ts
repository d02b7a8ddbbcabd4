import fc from 'fast-check';
import { Ref } from './known.ts';
import { compile, type Schema } from './schema.ts';

/** Names whose values are taken from what is known already, in so many of a hundred cases. */
const REFERENCES: Record<string, number> = { user_id: 80, order_id: 80, email: 15, cursor: 100 };
/** Of a hundred ids: an order's where a user's belongs, and the other way round. */
const MIXED_UP = 10;

/** Values of a schema, under the name that the document gives them; throws on a schema that it cannot fill. */
export function valid(schema: Schema, name = ''): fc.Arbitrary<unknown> {
  const share = REFERENCES[name];
  if (share === undefined) return plain(schema);
  const nth = fc.nat(1_000_000);
  const own = nth.map((n) => new Ref(name, n));
  if (share === 100) return own;
  const other = fc.tuple(fc.constantFrom('user_id', 'order_id'), nth).map(([of, n]) => new Ref(of, n));
  return fc.oneof(
    { weight: share, arbitrary: own },
    { weight: schema.type === 'integer' ? MIXED_UP : 0, arbitrary: other },
    { weight: 100 - share - MIXED_UP, arbitrary: plain(schema) },
  );
}

function plain(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.type === 'object') return object(schema);
  if (schema.type === 'integer') return integer(schema);
  if (schema.type === 'number' && schema.format === 'money') return money(schema);
  if (schema.type === 'string' && schema.format === undefined) return string(schema);
  throw new Error(`the fuzzer knows no values for ${JSON.stringify(schema)}`);
}

function object({ properties = {}, required = [] }: Schema): fc.Arbitrary<object> {
  const fields = Object.entries(properties).map(([name, field]) => [name, valid(field, name)]);
  const arbitraries = Object.fromEntries(fields) as Record<string, fc.Arbitrary<unknown>>;
  // Not `required` of another object's prototype: what is sent shows what it holds.
  return fc.record(arbitraries, { requiredKeys: required, noNullPrototype: true });
}

function integer({ minimum = Number.MIN_SAFE_INTEGER, maximum = Number.MAX_SAFE_INTEGER }: Schema) {
  return fc.oneof(fc.integer({ min: minimum, max: maximum }), fc.constantFrom(minimum, maximum));
}

function money(schema: Schema): fc.Arbitrary<unknown> {
  const check = compile(schema);
  return fc
    .oneof(
      { weight: 6, arbitrary: fc.integer({ min: 1, max: 1_000_000 }) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 9e15 }) },
      { weight: 1, arbitrary: fc.constantFrom(1, 9e15, 2 ** 46 * 100, 10, 100) },
    )
    .map((minor) => minor / 100)
    .filter((amount) => check(amount) === undefined);
}

/** Text that programs like to stumble over, and that is only text here. */
const AWKWARD = [
  "'; drop table users; --",
  '<script>alert(1)</script>',
  '{{7*7}}#{7*7}%s%n%d',
  'null',
  '__proto__',
  '../../../etc/passwd',
  '\\u0000\\',
  '"quoted"',
  'Зинаида\u00a0Ёлкина',
  '🙂👩‍👩‍👧‍👦🏳️‍🌈',
  'ﷺ\u202eright to left\u202c',
  'z\u0310\u0351\u0306a\u0334\u0321l\u0315g\u0358o',
  '\u200b\ufeffnothing to see',
  '\uffff\ufffe\u{10ffff}',
  'i\u0307İıſß',
  '1e309',
  '-0',
];

function string(schema: Schema): fc.Arbitrary<string> {
  const { pattern, maxLength = 100 } = schema;
  const check = compile(schema);
  const awkward = fc.constantFrom(...AWKWARD);
  const long = fc
    .tuple(fc.constantFrom('x', '🙂', 'ё', '\u0301'), fc.constantFrom(maxLength, maxLength - 1))
    .map(([letter, length]) => letter.repeat(length));
  return fc
    .oneof(
      { weight: 6, arbitrary: ofPattern(pattern) ?? fc.string({ unit: 'binary', maxLength: 50 }) },
      { weight: 2, arbitrary: awkward },
      { weight: 1, arbitrary: long },
    )
    .filter((text) => check(text) === undefined);
}

/** undefined: fast-check cannot read the pattern, so that text has to be found by trying. */
function ofPattern(pattern: string | undefined): fc.Arbitrary<string> | undefined {
  if (pattern === undefined || /\\p\{/.test(pattern)) return undefined;
  return fc.stringMatching(new RegExp(pattern, 'u'));
}
