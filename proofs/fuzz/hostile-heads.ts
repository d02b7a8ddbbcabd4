/** Headers, targets and methods that no client of good will sends. */

type Headers = [string, string][];

export interface HostileHeaders {
  what: string;
  headers: (valid: Headers) => Headers;
  /** What it must be refused with, or may; undefined: as the document has it. */
  codes?: string[];
  open?: true;
}

const typed = (type: string): HostileHeaders => ({
  what: `content-type: ${type}`,
  headers: (valid) => [...without(valid, 'content-type'), ['content-type', type]],
});
const keyed = (...keys: string[]): HostileHeaders => ({
  what: `idempotency-key: ${keys.map((key) => JSON.stringify(key).slice(0, 40)).join(' and ')}`,
  headers: (valid) => [
    ...without(valid, 'idempotency-key'),
    ...keys.map((key): [string, string] => ['idempotency-key', key]),
  ],
});
const added = (name: string, value: string, more: Partial<HostileHeaders> = {}): HostileHeaders => ({
  what: `${name}: ${value.slice(0, 60)}`,
  headers: (valid) => [...valid, [name, value]],
  ...more,
});

/** Media types that are not JSON's, however like it. */
export const NOT_JSON = [
  'text/plain',
  'text/json',
  'application/xml',
  'application/jsonp',
  'application/problem+json',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'json',
  '*/*',
  'application/json, text/plain',
  'application/jsonapplication/json',
];

export const HOSTILE_HEADERS: HostileHeaders[] = [
  { what: 'no content-type', headers: (valid) => without(valid, 'content-type') },
  ...NOT_JSON.map(typed),
  // What a parameter of application/json means, RFC 8259 leaves open.
  ...[
    'application/json; charset=utf-16',
    'application/json;',
    'application/json; a="',
    'APPLICATION/JSON',
  ].map((type) => ({ ...typed(type), open: true as const })),
  ...['', ' ', 'one two', 'one\ttwo', 'cl\u00e9', '\u0080', 'k'.repeat(256), 'k'.repeat(10_000)].map((key) =>
    keyed(key),
  ),
  ...['k'.repeat(255), "';drop-table-users;--", '../..', '%00', '__proto__', '{"a":1}', ','].map((key) =>
    keyed(key),
  ),
  keyed('a', 'b'),
  keyed('a', 'a'),
  { what: '100 headers', headers: (valid) => [...valid, ...flood(100, 'v')] },
  { what: '1,900 headers', headers: (valid) => [...valid, ...flood(1900, '')], codes: ['headers_too_large'] },
  {
    what: 'headers of 100 kB',
    headers: (valid) => [...valid, ...flood(1000, 'v'.repeat(100))],
    codes: ['headers_too_large'],
  },
  added('x-long', 'v'.repeat(20_000), { codes: ['headers_too_large'] }),
  added('x-'.padEnd(9000, 'n'), 'v'),
  added('__proto__', 'x'),
  added('constructor', 'x'),
  added('traceparent', '00-00000000000000000000000000000000-0000000000000000-00'),
  added('traceparent', `00-${'f'.repeat(32)}-${'f'.repeat(16)}-ff`),
  added('traceparent', 'ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'),
  added('traceparent', "'; drop table log; --"),
  added('traceparent', 'x'.repeat(5000)),
  added('tracestate', 'a=b,'.repeat(1000)),
  added('x-request-id', '\u00ff\u00fe'),
  added('accept', 'text/html;q=0'),
  added('accept', 'image/*'),
  added('accept-encoding', 'br;q=1.0, gzip;q=0.8, *;q=0.1'),
  added('accept-charset', 'utf-7'),
  added('accept-version', '99.x'),
  added('accept-language', 'xx-'.repeat(500)),
  added('content-encoding', 'gzip', { open: true }),
  added('content-language', 'tlh'),
  added('content-range', 'bytes 0-1/2'),
  added('range', 'bytes=0-0,-1'),
  added('if-match', '"nothing"'),
  added('if-none-match', '*'),
  added('if-modified-since', 'Wed, 21 Oct 2099 07:28:00 GMT'),
  added('x-http-method-override', 'DELETE'),
  added('x-forwarded-for', '127.0.0.1'),
  added('x-forwarded-host', 'evil.example'),
  added('x-original-url', '/metrics'),
  added('forwarded', 'for=unknown;host="\\"'),
  added('authorization', 'Basic !!!'),
  added('cookie', `a=${'b'.repeat(3000)}`),
  added('te', 'trailers, deflate'),
  added('max-forwards', '0'),
  added('via', '1.1 x'),
  added('upgrade-insecure-requests', '1'),
  added('http2-settings', 'AAMAAABkAARAAAAAAAIAAAAA'),
  added('prefer', 'respond-async, wait=5'),
  added('prefer', 'wait=-1'),
  added('prefer', 'wait=99999999999999999999'),
  added('prefer', `wait=${'"'.repeat(500)}`),
  added('prefer', ', =;;=,wait, wait=, wait=x;y="z,'),
  added('prefer', 'a='.repeat(3000)),
];

/** What is put in the place of a target, or after it; they lead nowhere, or to the same place. */
export const HOSTILE_TARGETS: { what: string; target: (valid: string) => string }[] = [
  ...[
    '..',
    '../..',
    '..%2f..',
    '%2e%2e',
    '%2e%2e%2f%2e%2e%2fetc%2fpasswd',
    '....//',
    '.',
    '%2e',
    '~',
    '*',
  ].map((more) => ({
    what: `…/${more}`,
    target: (valid: string) => `${pathOf(valid)}/${more}`,
  })),
  ...[
    '%00',
    '%',
    '%zz',
    '%E0%A4%A',
    '%c0%80',
    '%ff',
    '%0d%0aX-Injected:%20yes',
    '%u0041',
    '\\',
    '/',
    '//',
    ';a=b',
    '|',
    '"',
    '<>',
    '^',
    '`',
    '{}',
    '\u00ff',
  ].map((more) => ({ what: `…${more}`, target: (valid: string) => `${pathOf(valid)}${more}` })),
  ...['//', '/%2f', '/./', '/../', '/x/../', '\\'].map((before) => ({
    what: `${before}…`,
    target: (valid: string) => `${before}${valid.slice(1)}`,
  })),
  { what: 'in capitals', target: (valid) => valid.toUpperCase() },
  { what: 'a long segment', target: (valid) => `${pathOf(valid)}/${'x'.repeat(5000)}` },
  { what: '2,000 segments', target: (valid) => `${pathOf(valid)}${'/x'.repeat(2000)}` },
  { what: 'of 20 kB', target: (valid) => `${pathOf(valid)}/${'x'.repeat(20_000)}` },
  { what: 'an address of elsewhere', target: (valid) => `http://elsewhere.example${valid}` },
  { what: 'a fragment', target: (valid) => `${valid}#fragment` },
];

/** What is put after a query. */
export const HOSTILE_QUERIES: { what: string; search: string }[] = [
  'surprise=1',
  '__proto__=1',
  '__proto__[limit]=1',
  'constructor=1',
  'toString',
  'limit[]=1',
  'limit[a]=1',
  'LIMIT=1',
  'limit%00=1',
  'user_id[]=1',
  'user_id.x=1',
  '=',
  '=1',
  '%00=%00',
  '%ff=%ff',
  `${'a=1&'.repeat(2000)}b=1`,
  `x=${'y'.repeat(8000)}`,
  ...['limit=1', 'user_id=1', 'order=asc', 'cursor=MQ', 'consistency=fresh'].map((one) => `${one}&${one}`),
  `limit=${'1&limit='.repeat(1000)}1`,
  `user_id=${'1&user_id='.repeat(1000)}1`,
].map((search) => ({ what: `?${search.slice(0, 60)}`, search }));

function pathOf(target: string): string {
  return target.split('?')[0]!;
}

function without(headers: Headers, unwanted: string): Headers {
  return headers.filter(([name]) => name !== unwanted);
}

function flood(count: number, value: string): Headers {
  return Array.from({ length: count }, (_, i) => [`x-${i}`, value]);
}
