import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import { describe, expect, test } from 'vitest';
import { expectProblem } from './replies.ts';
import { shareInstallation } from './shared-installation.ts';

const shared = shareInstallation();

/** Sends bytes as they are; the reply is all that comes until the service closes the connection. */
async function exchange(service: ServiceName, request: string, ms?: number) {
  const [head = '', body = ''] = (await exchangeText(service, request, ms)).split('\r\n\r\n');
  const [statusLine = '', ...headers] = head.split('\r\n');
  return {
    status: Number(statusLine.split(' ')[1]),
    headers: new Headers(headers.map((line) => line.split(': ') as [string, string])),
    body: JSON.parse(body),
  };
}

function exchangeText(service: ServiceName, request: string, ms = 10_000): Promise<string> {
  const { hostname, port } = new URL(shared.urls[service]);
  return new Promise<string>((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(request, 'latin1'));
    const parts: Buffer[] = [];
    socket.setTimeout(ms, () => socket.destroy(new Error(`no reply to ${request.slice(0, 40)}`)));
    socket.on('data', (part) => parts.push(part));
    socket.on('close', () => resolve(Buffer.concat(parts).toString()));
    socket.on('error', (error) => (parts.length > 0 ? undefined : reject(error)));
  });
}

async function inFlight(service: ServiceName): Promise<number> {
  const { body } = await shared.api.get<string>(service, '/metrics');
  return Number(/^http_requests_in_flight\{.*\} (\d+)$/m.exec(body)?.[1]);
}

const ROUTES: Record<ServiceName, string> = {
  'user-service': '/users',
  'billing-service': '/accounts',
  'notification-service': '/notifications',
  'order-service': '/orders',
};

const post = (...headers: string[]) =>
  `${['POST /nothing HTTP/1.1', 'Host: x', ...headers].join('\r\n')}\r\n\r\n`;
const withoutPieces = (...headers: string[]) => `${post('Transfer-Encoding: chunked', ...headers)}xyz\r\n`;

const NOT_HTTP = [
  ['garbage', 'garbage\r\n\r\n'],
  ['an unknown method', 'BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['another protocol', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ['no host', 'POST /nothing HTTP/1.1\r\nConnection: close\r\n\r\n'],
  ['a header without a colon', post('nonsense')],
  ['a header with a NUL', post('X-Name: a\0b')],
  ['two lengths', post('Content-Length: 1', 'Content-Length: 2')],
  ['a length that is none', post('Content-Length: -1')],
  ['a length and pieces', post('Content-Length: 5', 'Transfer-Encoding: chunked')],
] as const;

describe.each(SERVICES)('%s', (service) => {
  test('refuses a body in pieces that are none as invalid_request', async () => {
    const request = withoutPieces('Content-Type: application/json').replace('/nothing', ROUTES[service]);
    expectProblem(await exchange(service, request), 'invalid_request');
  });

  test('answers a request once, also where what follows its headers is no body', async () => {
    // Without a type the body is not waited for.
    expectProblem(await exchange(service, withoutPieces()), 'route_not_found');
  });

  test.each(NOT_HTTP)('refuses %s as invalid_request', async (_what, request) => {
    expectProblem(await exchange(service, request), 'invalid_request');
  });

  test('refuses headers of 20 kB', async () => {
    expectProblem(await exchange(service, post(`X-Name: ${'x'.repeat(20_000)}`)), 'headers_too_large');
  });

  test.each([
    [
      'its body',
      () => post('Content-Type: application/json', 'Content-Length: 9').replace('/nothing', ROUTES[service]),
    ],
    ['its reply', () => 'GET /docs/static/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(20)],
  ])('forgets a request whose connection breaks before %s was sent', async (_what, request) => {
    const { hostname, port } = new URL(shared.urls[service]);
    const sockets = Array.from({ length: 20 }, () => connect(Number(port), hostname).pause());
    for (const socket of sockets) socket.write(request());
    const asked = { timeout: 10_000, message: 'all are under way' };
    await expect.poll(() => inFlight(service), asked).toBeGreaterThan(sockets.length);
    for (const socket of sockets) socket.destroy();
    // The question itself is under way.
    await expect
      .poll(() => inFlight(service), { timeout: 10_000, message: 'nothing else is under way' })
      .toBe(1);
  });

  test('takes no notice of what a caller expects', async () => {
    const request = 'GET /health/live HTTP/1.1\r\nHost: x\r\nExpect: a miracle\r\nConnection: close\r\n\r\n';
    expect(await exchange(service, request)).toMatchObject({ status: 200, body: { status: 'live' } });
  });

  test('lives on after all that', async () => {
    expect((await shared.api.get(service, '/health/ready')).status).toBe(200);
  });
});

test.each(['/users/%zz', '/users/%', '/users/%E0%A4%A', `/users/${'1'.repeat(200)}`])(
  'the path %.40s is refused as invalid_request',
  async (path) => {
    expectProblem(await shared.api.get('user-service', path), 'invalid_request');
  },
);

test('garbage after a request is refused after its reply, which takes its time', async () => {
  const body = JSON.stringify({ email: `${randomUUID()}@example.org`, name: 'Anna' });
  const request = post('Content-Type: application/json', `Content-Length: ${body.length}`).replace(
    '/nothing',
    '/users',
  );
  const text = await exchangeText('user-service', `${request}${body}garbage\r\n\r\n`);
  expect([...text.matchAll(/HTTP\/1.1 (\d{3})/g)].map(([, status]) => status)).toEqual(['201', '400']);
});

test.each([
  ['its head', 'POST /users HTTP/1.1\r\nX-Slow: '],
  ['its body', post('Content-Type: application/json', 'Content-Length: 500').replace('/nothing', '/users')],
])(
  'a request that takes more than 15 s for %s is refused as request_timeout',
  { concurrent: true },
  async (_what, request) => {
    expectProblem(await exchange('user-service', request, 30_000), 'request_timeout');
  },
);

test('of one connection that does not wait for replies sixteen requests are taken at a time, the others refused in their turn', async () => {
  const get = (...headers: string[]) =>
    `${['GET /users?limit=1 HTTP/1.1', 'Host: x', ...headers].join('\r\n')}\r\n\r\n`;
  const text = await exchangeText('user-service', get().repeat(99) + get('Connection: close'));
  const statuses = [...text.matchAll(/HTTP\/1.1 (\d+)/g)].map(([, status]) => status);
  expect(statuses).toEqual([...Array(16).fill('200'), ...Array(84).fill('503')]);
  expect(await inFlight('user-service')).toBe(1);
});
