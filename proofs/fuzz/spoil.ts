import type { Schema } from './schema.ts';

/** One change by which a valid value becomes, as a rule, an invalid one. */
export interface Spoil {
  what: string;
  value: (valid: unknown) => unknown;
  /** JSON.parse reads over it; a service that takes no number but the one that is written must not. */
  inexact?: true;
}

// Node has it, TypeScript's library does not know it yet.
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

/** Every change of a schema's values that can be named; what is not there to be changed stays as it is. */
export function spoils(schema: Schema): Spoil[] {
  const { type, maximum, minimum, maxLength, properties = {}, required = [] } = schema;
  const found = [...OF_ANOTHER_TYPE.filter(({ what }) => what !== type)];
  if (schema.enum) found.push(...ENUM);
  if (type === 'integer') found.push(...INTEGER);
  if (schema.format === 'money') found.push(...MONEY);
  if (minimum !== undefined) found.push(to(minimum - 1));
  if (maximum !== undefined) found.push(to(rawJSON(String(BigInt(maximum) + 1n))));
  if (type === 'string') found.push(...STRING);
  if (maxLength !== undefined) found.push(to('x'.repeat(maxLength + 1)), to('🙂'.repeat(maxLength + 1)));
  if (type === 'object') {
    for (const name of required) found.push(without(name));
    for (const name of UNKNOWN_FIELDS) found.push(withField(name));
    for (const [name, field] of Object.entries(properties)) {
      for (const { what, value, ...more } of spoils(field)) {
        const spoilt = (valid: unknown) =>
          isObject(valid) ? { ...valid, [name]: value(valid[name as never]) } : valid;
        found.push({ what: `${name}: ${what}`, value: spoilt, ...more });
      }
    }
  }
  return found;
}

/** What a path or a query can have instead of an integer, as text. */
export const NOT_INTEGERS = [
  '0',
  '-1',
  '1.5',
  '1.0',
  '01',
  '+1',
  '1e3',
  '0x10',
  ' 1',
  '1 ',
  '1\0',
  '１',
  '1,2',
  "1'--",
  'x',
  'NaN',
  'null',
  '9007199254740992',
  '9223372036854775808',
  '99999999999999999999',
];

const to = (value: unknown, what = text(value)): Spoil => ({ what, value: () => value });
const inexact = (numeral: string): Spoil => ({ ...to(rawJSON(numeral), numeral), inexact: true });

/** Named by the type that they have: of that type they would be no other. */
const OF_ANOTHER_TYPE: Spoil[] = [
  to(null, 'null'),
  to(true, 'boolean'),
  to('1', 'string'),
  to(1, 'number'),
  to([], 'array'),
  to({}, 'object'),
  { what: 'in an array', value: (valid) => [valid] },
  { what: 'in an object', value: (valid) => ({ value: valid }) },
];
const ENUM: Spoil[] = [
  to(''),
  to('__proto__'),
  { what: 'in capitals', value: (valid) => String(valid).toUpperCase() },
  { what: 'with a space', value: (valid) => `${valid} ` },
];
const INTEGER: Spoil[] = [
  to(0),
  to(-1),
  to(1.5),
  to(1e21),
  inexact('9007199254740993'),
  inexact('1e400'),
  inexact('1.00000000000000000001'),
];
const MONEY: Spoil[] = [
  ...[0, -1, -0.01, 0.001, 10.005, 0.1 + 0.2, 1e-7, 90_000_000_000_001, 1e21, '10', '', '1,5'].map((value) =>
    to(value),
  ),
  ...['1e400', '-1e400', '1e-400', '90000000000000.01', '0.1000000000000000055', '1.0000000000000000001'].map(
    inexact,
  ),
  to(rawJSON('-0'), '-0'),
];
const STRING: Spoil[] = [
  to(''),
  to(' '),
  ...['\0', '\n', '\r\nBcc: x', '\u001b[31m', '\u007f', '\u0085', '\u2028', '\ud800', '\udc00\ud800'].map(
    (end) => ({ what: `with ${text(end)} at its end`, value: (valid: unknown) => `${valid}${end}` }),
  ),
  { what: 'with a NUL at its beginning', value: (valid) => `\0${valid}` },
];
const UNKNOWN_FIELDS = ['surprise', '__proto__', 'constructor', 'toString', '', 'a/b~c', 'currency', 'id'];

function without(name: string): Spoil {
  return {
    what: `without ${name}`,
    value: (valid) =>
      isObject(valid) ? Object.fromEntries(Object.entries(valid).filter(([key]) => key !== name)) : valid,
  };
}

function withField(name: string): Spoil {
  return {
    what: `with the field ${text(name)}`,
    // As an own property, also where it is called __proto__.
    value: (valid) => (isObject(valid) ? Object.fromEntries([...Object.entries(valid), [name, 1]]) : valid),
  };
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: unknown): string {
  const told = JSON.stringify(value);
  return told.length > 40 ? `${told.slice(0, 30)}… (${told.length})` : told;
}
