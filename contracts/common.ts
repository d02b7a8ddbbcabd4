import Type, { type TProperties, type TSchema } from 'typebox';
import { LOCALES } from './names.ts';

/** An object of exactly these properties: an unknown field is an error, never dropped. */
export function Exact<P extends TProperties>(
  properties: P,
  options: { title?: string; description?: string } = {},
) {
  return Type.Object(properties, { ...options, additionalProperties: false });
}

export const Id = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, examples: [42] });

/** `format: money` is checked by the services (see runtime/validation.ts): at most two decimals. */
export const Amount = Type.Number({
  format: 'money',
  description:
    'Currency units, more than 0, at most two decimals, at most 90,000,000,000,000.00. Never rounded.',
  examples: [100.5],
});

/** An amount within events. */
export const MinorUnits = Type.Integer({
  minimum: 1,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'Minor units of the currency: kopecks, cents.',
  examples: [10050],
});

/** A sum that the service states: exact, with any number of digits. */
export const Sum = Type.Number({ description: 'Currency units, two decimals at most.', examples: [899.5] });

export const Time = Type.String({ format: 'date-time', examples: ['2026-01-31T12:00:00.000Z'] });

export const LocaleSchema = Type.Enum([...LOCALES], { description: 'Language of letters and messages.' });

// One plain address as browsers define it for <input type=email>, so without comments, quotes or line breaks.
export const Email = Type.String({
  maxLength: 254,
  pattern:
    "^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$",
  examples: ['anna@example.org'],
});

/** One line of text: no control characters, no lone surrogates, and something to see. */
export function Line(max: number, example: string) {
  return Type.String({
    minLength: 1,
    maxLength: max,
    // Linear on any input: the lookahead runs once, from the start.
    pattern: '^(?!\\p{Z}*$)[^\\p{Cc}\\p{Cs}\\p{Zl}\\p{Zp}]+$',
    examples: [example],
  });
}

/** Several lines: tabs and line feeds are the only control characters. */
export function Text(max: number, example: string) {
  return Type.String({
    minLength: 1,
    maxLength: max,
    pattern: '^(?:[\\t\\n]|[^\\p{Cc}\\p{Cs}])+$',
    examples: [example],
  });
}

export const PageQuery = {
  limit: Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'Most items of one page.' }),
  cursor: Type.Optional(Type.String({ maxLength: 64, description: '`next_cursor` of the page before.' })),
  order: Type.Enum(['asc', 'desc'], { default: 'asc', description: '`desc`: newest first.' }),
};

export const Consistency = Type.Enum(['fresh', 'eventual'], {
  default: 'fresh',
  description:
    '`fresh`: everything that was ever told to anybody is seen, or 503. `eventual`: what is there now.',
});

export type Page = { limit: number; cursor?: string; order: 'asc' | 'desc' };

export function List<T extends TSchema>(item: T) {
  return Exact({ items: Type.Array(item), next_cursor: nullableText() });
}

const nullableText = () =>
  Type.Union([Type.String(), Type.Null()], { description: '`null`: this is the last page.' });

export const ProblemSchema = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    code: Type.String({ description: 'One of docs/errors.md.' }),
    errors: Type.Optional(Type.Array(Type.Object({ pointer: Type.String(), detail: Type.String() }))),
  },
  { title: 'Problem' },
);
