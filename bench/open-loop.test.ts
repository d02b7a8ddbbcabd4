import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { readOptions, runLoad, schedule } from './open-loop.ts';
import { type Reply, ReplyParser, requestText } from './wire.ts';

const CREATED =
  'HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"id":12}';
const REFUSED =
  'HTTP/1.1 503 Service Unavailable\r\nContent-Length:0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n';

function parsed(...chunks: string[]): Reply[] {
  const parser = new ReplyParser();
  const replies: Reply[] = [];
  for (const chunk of chunks) parser.push(Buffer.from(chunk, 'latin1'), (reply) => replies.push(reply));
  return replies;
}

test('a request is complete HTTP/1.1 whose length fits its body', () => {
  const text = requestText(new URL('http://127.0.0.1:8003/orders'), 42, 0.01);
  const [head, body] = text.split('\r\n\r\n');
  expect(head!.split('\r\n')).toEqual([
    'POST /orders HTTP/1.1',
    'Host: 127.0.0.1:8003',
    'Content-Type: application/json',
    `Content-Length: ${body!.length}`,
  ]);
  expect(JSON.parse(body!)).toEqual({ user_id: 42, price: 0.01 });
});

test('several replies in one chunk are told apart', () => {
  expect(parsed(CREATED + CREATED + REFUSED)).toEqual([
    { status: 201, last: false },
    { status: 201, last: false },
    { status: 503, last: true },
  ]);
});

test('replies are found wherever they are cut', () => {
  const text = CREATED + REFUSED + CREATED;
  const whole = parsed(text);
  expect(whole.map((reply) => reply.status)).toEqual([201, 503, 201]);
  for (let i = 1; i < text.length; i += 1) {
    expect(parsed(text.slice(0, i), text.slice(i)), `cut at ${i}`).toEqual(whole);
  }
  expect(parsed(...text)).toEqual(whole);
});

test('what is no reply with a length is an error', () => {
  expect(() => parsed('SSH-2.0-OpenSSH_9.6\r\n\r\n')).toThrow('not a reply');
  expect(() => parsed('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')).toThrow('not a reply');
});

test('request n is due n / rate seconds after the start', () => {
  const { due, dueMs } = schedule(2000, 5);
  expect([0, 0.4, 0.5, 1.2, 2, 900].map(due)).toEqual([1, 1, 2, 3, 5, 5]);
  expect([0, 1, 4].map(dueMs)).toEqual([0, 0.5, 2]);
});

test('each request is accounted for: accepted, refused, failed, or lost with its connection', async () => {
  let count = 0;
  const server = createServer((_request, response) => {
    count += 1;
    const status = [201, 202, 503, 500, 201][count % 5]!;
    if (count % 10 === 0) return response.destroy();
    response.writeHead(status, { 'content-length': 2, ...(count % 7 === 0 ? { connection: 'close' } : {}) });
    response.end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/orders`);
  const load = { url, rate: 500, seconds: 1, warmup: 0, users: 10, price: 0.01, connections: 4 };
  const report = await runLoad(load);
  expect(count).toBe(500);
  expect(report).toMatchObject({ sent: 500, accepted: 250, pending: 100, refused: 100, errors: 150 });
  expect(report.accepted_p50_ms).toBeGreaterThan(0);
  expect(report.accepted_p99_ms).toBeGreaterThanOrEqual(report.accepted_p50_ms);
});

test('waiting for a connection counts as latency; what came due in the warm-up is told apart, and counts when it is answered', async () => {
  let count = 0;
  const server = createServer((_request, response) => {
    count += 1;
    setTimeout(() => response.writeHead(201, { 'content-length': 0 }).end(), 50);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/orders`);
  const load = { url, rate: 40, seconds: 0.5, warmup: 0.25, users: 10, price: 0.01, connections: 1 };
  // Thirty requests in 0.75 s, one at a time, 50 ms each: the last one is due at 725 ms and answered at 1500.
  const report = await runLoad(load);
  expect(count).toBe(30);
  const warmup = { accepted: 10, refused: 0, errors: 0 };
  expect(report).toMatchObject({ sent: 20, accepted: 20, errors: 0, warmup });
  expect(report.accepted_p99_ms).toBeGreaterThan(700);
  // Of the ten that fit into the half second half belong to the warm-up.
  expect(report.accepted_rate).toBeGreaterThan(12);
});

test('bad arguments are named in one line', () => {
  const good = ['--url', 'http://127.0.0.1:1/orders', '--rate', '10', '--seconds', '1', '--users', '3'];
  expect(readOptions(good)).toMatchObject({
    rate: 10,
    warmup: 0,
    users: 3,
    firstUser: 1,
    price: 0.01,
    connections: 4000,
  });
  expect(readOptions(['--help'])).toBe('help');
  const bad: [string[], RegExp][] = [
    [[], /^--url must be/],
    [['--url', 'nowhere'], /^--url must be/],
    [good.slice(0, 2), /^--rate must be a number above 0$/],
    [[...good, '--users', '2.5'], /^--users must be a whole number above 0$/],
    [[...good, '--warmup=-1'], /^--warmup must be a number$/],
    [[...good, '--fast'], /^Unknown option '--fast'/],
  ];
  for (const [args, message] of bad) expect(() => readOptions(args)).toThrow(message);
});
