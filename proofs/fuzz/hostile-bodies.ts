/** Bodies that no client of good will sends, made of one that is valid. */
import { BODY_BYTES_MAX } from './request.ts';

export interface HostileBody {
  what: string;
  bytes: (valid: Buffer) => Buffer;
  /** Not to be judged by its form: readers of JSON differ about it. */
  open?: true;
  /** What it must be refused with; undefined: as its form has it. */
  codes?: string[];
}

const DEEP = 10_000;
/** How deep is too deep, docs/errors.md does not say. */
const TOO_DEEP = { codes: ['malformed_json', 'invalid_body'] };
const latin1 = (text: string) => Buffer.from(text, 'latin1');

export const HOSTILE_BODIES: HostileBody[] = [
  ...[
    '',
    ' ',
    'null',
    'true',
    '1',
    '"text"',
    '[]',
    '[{}]',
    '{}',
    '{} {}',
    '{} // nothing',
    '{"a":1,}',
    "{'a':1}",
    '{a:1}',
    '{"a":undefined}',
    '{"a":NaN}',
    '{"a":Infinity}',
    '{"a":01}',
    '{"a":.5}',
    '{"a":5.}',
    '{"a":+1}',
    '{"a":0x10}',
    '{"a":1_000}',
    '{"a":1e}',
    '{"a":--1}',
    '{"a":"\\x41"}',
    '{"a":"\\ud83"}',
    '{"a":"a\nb"}',
    '{"a":"\0"}',
    '{"\0":1}',
    '\0',
    '{',
    '[',
    '"',
    'amount=1&price=1',
    '<?xml version="1.0"?><a/>',
    '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--',
    '{"__proto__":{"user_id":1,"amount":1,"price":1}}',
    '{"constructor":{"prototype":{"amount":1}}}',
    '{"amount":{"$gt":0},"price":{"$ne":null},"user_id":{"$gt":0},"email":{"$regex":".*"}}',
  ].map((text) => ({ what: `the body ${JSON.stringify(text).slice(0, 60)}`, bytes: () => latin1(text) })),
  { ...TOO_DEEP, what: 'arrays in arrays, 10,000 deep', bytes: () => nested('[', '1', ']') },
  { ...TOO_DEEP, what: 'objects in objects, 10,000 deep', bytes: () => nested('{"a":', '1', '}') },
  { what: '10,000 arrays that are opened and not closed', bytes: () => nested('[', '', '') },
  {
    ...TOO_DEEP,
    what: 'arrays, 10,000 deep, for a value',
    bytes: (valid) => firstValue(valid, nested('[', '1', ']')),
  },
  {
    ...TOO_DEEP,
    what: 'objects, 5,000 deep, beside it',
    bytes: (valid) => beside(valid, '"a":', nested('{"a":', '1', '}', 5000)),
  },
  {
    what: 'a list of 20,000 numbers for a value',
    bytes: (valid) => firstValue(valid, latin1(`[${'1,'.repeat(20_000)}1]`)),
  },
  { what: 'a numeral of 10,000 digits', bytes: (valid) => firstValue(valid, latin1('1'.repeat(10_000))) },
  {
    what: 'an exponent of 5,000 digits',
    bytes: (valid) => firstValue(valid, latin1(`1e${'9'.repeat(5000)}`)),
  },
  {
    what: '10,000 decimals',
    codes: ['invalid_body'],
    bytes: (valid) => firstValue(valid, latin1(`1.${'0'.repeat(9999)}1`)),
  },
  {
    what: 'a text of 60,000 letters',
    bytes: (valid) => firstValue(valid, latin1(`"${'x'.repeat(60_000)}"`)),
  },
  {
    what: 'an address on which a slow pattern would brood',
    bytes: (valid) => firstValue(valid, latin1(`"${'a@'.repeat(1)}${'a-'.repeat(30_000)}!"`)),
  },
  {
    what: 'white space for a text',
    bytes: (valid) => firstValue(valid, Buffer.from(`"${'\u2003'.repeat(20_000)}"`)),
  },
  {
    what: '5,000 unknown fields',
    bytes: (valid) => beside(valid, Array.from({ length: 5000 }, (_, i) => `"f${i}":1`).join()),
  },
  {
    what: 'an unknown field with a name of 50,000 letters',
    bytes: (valid) => beside(valid, `"${'n'.repeat(50_000)}":1`),
  },
  { what: 'each field twice', bytes: twice, open: true },
  { what: 'each field twice, first with null', bytes: twiceWithNull, open: true },
  {
    what: 'bytes that are not UTF-8',
    bytes: (valid) => beside(valid, Buffer.from([0x22, 0xff, 0xfe, 0x22]), ':1'),
  },
  { what: 'an overlong NUL', bytes: (valid) => beside(valid, Buffer.from([0x22, 0xc0, 0x80, 0x22]), ':1') },
  {
    what: 'half a letter of UTF-8',
    bytes: (valid) => Buffer.concat([valid.subarray(0, -1), Buffer.from([0xd0])]),
  },
  {
    what: 'a surrogate in UTF-8',
    bytes: (valid) => firstValue(valid, Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])),
  },
  {
    what: 'a letter beyond Unicode',
    bytes: (valid) => firstValue(valid, Buffer.from([0x22, 0xf4, 0x90, 0x80, 0x80, 0x22])),
  },
  { what: 'UTF-16', bytes: (valid) => Buffer.from(valid.toString(), 'utf16le') },
  {
    what: 'a byte order mark before it',
    bytes: (valid) => Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), valid]),
    open: true,
  },
  { what: 'its letters all as \\u escapes', bytes: escaped },
  { what: 'white space up to the limit', bytes: (valid) => padded(valid, BODY_BYTES_MAX) },
  { what: 'a byte more than the limit', bytes: (valid) => padded(valid, BODY_BYTES_MAX + 1) },
  { what: 'white space of 1 MB', bytes: (valid) => padded(valid, 1_000_000) },
  { what: 'half of it', bytes: (valid) => valid.subarray(0, valid.length / 2) },
  { what: 'it twice', bytes: (valid) => Buffer.concat([valid, valid]) },
  { what: 'a bracket too many', bytes: (valid) => Buffer.concat([valid, latin1(']')]) },
  { what: 'it in an array', bytes: (valid) => Buffer.concat([latin1('['), valid, latin1(']')]) },
  { what: 'it as a text', bytes: (valid) => Buffer.from(JSON.stringify(valid.toString())) },
  { what: '5 kB of nothing', bytes: () => Buffer.alloc(5000) },
];

function nested(open: string, within: string, close: string, depth = DEEP): Buffer {
  return latin1(`${open.repeat(depth)}${within}${close.repeat(depth)}`);
}

/** In the place of the first field's value; where a text holds a comma, something less well-formed. */
function firstValue(valid: Buffer, value: Buffer): Buffer {
  const colon = valid.indexOf(':');
  const end = valid.indexOf(',', colon) === -1 ? valid.length - 1 : valid.indexOf(',', colon);
  return Buffer.concat([valid.subarray(0, colon + 1), value, valid.subarray(end)]);
}

/** After the last field. */
function beside(valid: Buffer, ...more: (string | Buffer)[]): Buffer {
  const parts = more.map((part) => (typeof part === 'string' ? Buffer.from(part) : part));
  return Buffer.concat([valid.subarray(0, -1), latin1(','), ...parts, latin1('}')]);
}

function twice(valid: Buffer): Buffer {
  return Buffer.concat([valid.subarray(0, -1), latin1(','), valid.subarray(1)]);
}

function twiceWithNull(valid: Buffer): Buffer {
  const nulls = Object.keys(JSON.parse(valid.toString())).map((name) => `${JSON.stringify(name)}:null`);
  return Buffer.concat([latin1(`{${nulls.join()},`), valid.subarray(1)]);
}

function escaped(valid: Buffer): Buffer {
  const fields = Object.entries(JSON.parse(valid.toString()) as object);
  const texts = fields.map(([name, value]) => {
    return `${inEscapes(name)}:${typeof value === 'string' ? inEscapes(value) : JSON.stringify(value)}`;
  });
  return latin1(`{${texts.join()}}`);
}

function inEscapes(text: string): string {
  return `"${text.replace(/[\s\S]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)}"`;
}

function padded(valid: Buffer, bytes: number): Buffer {
  return Buffer.concat([valid, Buffer.alloc(Math.max(0, bytes - valid.length), ' ')]);
}
