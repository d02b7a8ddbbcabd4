import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { ReplyParser } from '../../bench/wire.ts';

/** Bytes that are no request, or a strange one, and the statuses of the replies that they may get. */
export interface WireCase {
  what: string;
  bytes: (post: { target: string; body: string }) => string;
  /** Of each reply in turn; none: the connection is closed without one. */
  replies: number[][];
}

const MS_MAX = 15_000;
const OK = [200, 201, 202, 400, 404, 409, 422];
const BAD = [400];
const head = (line: string, ...headers: string[]) => `${[line, ...headers].join('\r\n')}\r\n\r\n`;
const post = (target: string, ...headers: string[]) =>
  head(
    `POST ${target} HTTP/1.1`,
    'Host: x',
    'Content-Type: application/json',
    'Connection: close',
    ...headers,
  );
const get = (...headers: string[]) => head('GET /health/live HTTP/1.1', 'Host: x', ...headers);
const chunked = (target: string, chunks: string, ...headers: string[]) =>
  `${post(target, 'Transfer-Encoding: chunked', ...headers)}${chunks}`;
const chunk = (text: string) => `${Buffer.byteLength(text, 'latin1').toString(16)}\r\n${text}\r\n`;

const refused = (what: string, text: string): WireCase => ({ what, bytes: () => text, replies: [BAD] });
const refusedPost = (what: string, ...headers: string[]): WireCase => ({
  what,
  bytes: ({ target, body }) => `${post(target, ...headers)}${body}`,
  replies: [BAD],
});
const nonsense = (what: string, chunks: string): WireCase => ({
  what: `in chunks: ${what}`,
  bytes: ({ target }) => chunked(target, chunks),
  replies: [BAD],
});

export const WIRE_CASES: WireCase[] = [
  refused('garbage', 'garbage\r\n\r\n'),
  refused(
    'bytes of no meaning',
    `${Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join('')}\r\n\r\n`,
  ),
  refused('a greeting of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'),
  refused('the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  refused('a method that is none', head('BREW /pot HTTP/1.1', 'Host: x')),
  refused('a method in small letters', head('get / HTTP/1.1', 'Host: x')),
  refused('HTTP/9.9', head('GET / HTTP/9.9', 'Host: x')),
  // Node takes it for HTTP/1.0.
  { what: 'no version', bytes: () => head('GET /health/live'), replies: [[200, 400]] },
  refused('two blanks in the request line', head('GET / x HTTP/1.1', 'Host: x')),
  refused('a NUL in the target', head('GET /\0 HTTP/1.1', 'Host: x')),
  refused('no host', head('GET /health/live HTTP/1.1', 'Connection: close')),
  refused('a header without a colon', get('nonsense')),
  refused('a header without a name', get(': value')),
  refused('a blank before the colon', get('X-Name : value')),
  refused('a NUL in a header', get('X-Name: a\0b')),
  refused('a lone CR in a header', get('X-Name: a\rb')),
  {
    what: 'a trailer that is announced, and none',
    bytes: () => get('Trailer: Content-Length', 'Connection: close'),
    replies: [[200, 400]],
  },
  refusedPost('two lengths', 'Content-Length: 1', 'Content-Length: 2'),
  ...['-1', '+5', '0x5', '5, 6', 'x', '1e1', '5 5', '99999999999999999999'].map((length) =>
    refusedPost(`a length of ${length}`, `Content-Length: ${length}`),
  ),
  refusedPost('a length and chunks', 'Content-Length: 5', 'Transfer-Encoding: chunked'),
  refusedPost('chunks, and something else after', 'Transfer-Encoding: chunked, identity'),
  refusedPost('an encoding that is none', 'Transfer-Encoding: xchunked'),
  refusedPost('chunks and no chunks', 'Transfer-Encoding: chunked', 'Transfer-Encoding: identity'),
  nonsense('letters for a size', 'xyz\r\n'),
  nonsense('a size below zero', '-1\r\nx\r\n'),
  nonsense('a size beyond all bounds', `${'F'.repeat(20)}\r\nx\r\n`),
  nonsense('more than the size says', '1\r\nxyz\r\n0\r\n\r\n'),
  nonsense('no end of line after a chunk', '1\r\nx0\r\n\r\n'),
  nonsense('a NUL for a size', '\0\r\n'),
  {
    what: 'in chunks: extensions of 100 kB',
    bytes: ({ target }) => chunked(target, `1;${'x'.repeat(100_000)}\r\n{\r\n`),
    replies: [[400, 413, 431]],
  },
  {
    what: 'in chunks: trailers of 100 kB',
    bytes: ({ target, body }) => chunked(target, `${chunk(body)}0\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`),
    replies: [[400, 413, 431]],
  },
  {
    what: 'in chunks of a byte',
    bytes: ({ target, body }) =>
      chunked(target, `${[...Buffer.from(body).toString('latin1')].map(chunk).join('')}0\r\n\r\n`),
    replies: [OK],
  },
  {
    what: 'in chunks: 1 MB',
    bytes: ({ target }) => chunked(target, `${chunk(' '.repeat(1_000_000))}0\r\n\r\n`),
    replies: [[413]],
  },
  {
    what: 'a length beyond the limit',
    bytes: ({ target }) => post(target, 'Content-Length: 99999999'),
    replies: [[413]],
  },
  { what: 'a header of 20 kB', bytes: () => get(`X-Name: ${'x'.repeat(20_000)}`), replies: [[431]] },
  { what: 'a name of 20 kB', bytes: () => get(`${'x'.repeat(20_000)}: x`), replies: [[431]] },
  {
    what: '5,000 headers',
    bytes: () => get(...Array.from({ length: 5000 }, (_, i) => `X-${i}: x`)),
    replies: [[431]],
  },
  {
    what: 'a target of 1 MB',
    bytes: () => head(`GET /${'x'.repeat(1_000_000)} HTTP/1.1`, 'Host: x'),
    replies: [[431]],
  },
  { what: 'HTTP/1.0 without a host', bytes: () => head('GET /health/live HTTP/1.0'), replies: [[200]] },
  {
    what: 'line ends without CR',
    bytes: () => 'GET /health/live HTTP/1.1\nHost: x\nConnection: close\n\n',
    replies: [[200, 400]],
  },
  {
    what: 'a header in two lines',
    bytes: () => get('X-Name: a\r\n b', 'Connection: close'),
    replies: [[200, 400]],
  },
  {
    what: '1,000 empty lines before it',
    bytes: () => `${'\r\n'.repeat(1000)}${get('Connection: close')}`,
    replies: [[200, 400]],
  },
  { what: 'a tunnel', bytes: () => head('CONNECT elsewhere.example:443 HTTP/1.1', 'Host: x'), replies: [] },
  {
    what: 'an upgrade to WebSocket',
    bytes: () => get('Connection: Upgrade, close', 'Upgrade: websocket'),
    replies: [[200]],
  },
  {
    what: 'a target of elsewhere',
    bytes: () => head('GET http://elsewhere.example/health/live HTTP/1.1', 'Host: x', 'Connection: close'),
    replies: [[200, 400, 404]],
  },
  {
    what: 'OPTIONS *',
    bytes: () => head('OPTIONS * HTTP/1.1', 'Host: x', 'Connection: close'),
    replies: [[200, 204, 400, 404, 405]],
  },
  {
    what: 'an expectation that nobody knows',
    bytes: () => get('Expect: 200-ok', 'Connection: close'),
    replies: [[200]],
  },
  {
    what: '100 requests at once',
    bytes: () => get().repeat(99) + get('Connection: close'),
    // Beyond 16 on one connection they may be refused, which depends on how many were answered by then (docs/errors.md).
    replies: Array.from({ length: 100 }, (_, i) => (i < 16 ? [200] : [200, 503])),
  },
  { what: 'a request, and garbage after it', bytes: () => `${get()}garbage\r\n\r\n`, replies: [[200], BAD] },
  {
    what: 'more of a body than its length',
    bytes: ({ target, body }) =>
      `${post(target, `Content-Length: ${Buffer.byteLength(body, 'latin1')}`).replace('Connection: close\r\n', '')}${body}garbage\r\n\r\n`,
    replies: [OK, BAD],
  },
];

export interface Exchange {
  statuses: number[];
  /** What was wrong with the exchange itself. */
  broken: string | undefined;
}

/** Sends bytes as they are, and reads replies until the service closes the connection. */
export async function exchange(url: string, bytes: string, ms = MS_MAX): Promise<Exchange> {
  const socket = dial(url);
  socket.write(bytes, 'latin1');
  return read(socket, ms);
}

/** Sends the bytes one by one, and goes on for as long as the service listens. */
export async function dribble(
  url: string,
  { at_once, rest }: { at_once: string; rest: string },
  { pause_ms, ms_max, signal }: { pause_ms: number; ms_max: number; signal: AbortSignal },
): Promise<Exchange> {
  const socket = dial(url);
  const reading = read(socket, ms_max);
  socket.write(at_once, 'latin1');
  for (let i = 0; !socket.destroyed && !signal.aborted; i += 1) {
    socket.write(rest[i % rest.length]!, 'latin1');
    await delay(pause_ms);
  }
  socket.destroy();
  return reading;
}

/** Asks, and does not read what it is answered. */
export async function unread(url: string, bytes: string, ms: number): Promise<void> {
  const socket = dial(url);
  socket.pause();
  socket.write(bytes, 'latin1');
  await delay(ms);
  socket.destroy();
}

/** Sends the first bytes, and breaks the connection before or while it is answered. */
export async function cut(
  url: string,
  bytes: string,
  { reset, wait_ms }: { reset: boolean; wait_ms: number },
): Promise<void> {
  const socket = dial(url);
  socket.write(bytes, 'latin1');
  await once(socket, 'connect').catch(() => {});
  if (wait_ms > 0) await delay(wait_ms);
  if (reset) socket.resetAndDestroy();
  else socket.destroy();
}

function dial(url: string): Socket {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  return socket;
}

async function read(socket: Socket, ms: number): Promise<Exchange> {
  const parser = new ReplyParser();
  const statuses: number[] = [];
  let broken: string | undefined;
  socket.on('data', (part) => {
    try {
      parser.push(part, ({ status }) => void statuses.push(status));
    } catch (error) {
      broken ??= (error as Error).message;
    }
  });
  const late = setTimeout(() => {
    broken ??= `it hangs: the connection is open after ${ms / 1000} s, with ${statuses.length} replies`;
    socket.destroy();
  }, ms);
  // Not events.once, which an error would end before.
  await new Promise((resolve) => socket.once('close', resolve));
  clearTimeout(late);
  return { statuses, broken };
}
