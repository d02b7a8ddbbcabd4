import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { failures, gaugesAtRest } from './afterwards.ts';
import { exchange } from './wire.ts';

/** A server of TCP that does this with each connection; answers its address. */
async function serve(connected: (socket: Socket) => void): Promise<string> {
  const server = createServer(connected).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('a service that neither answers bytes of no meaning nor hangs up is found', async () => {
  const url = await serve((socket) => void socket.resume());
  expect(await exchange(url, 'garbage', 200)).toEqual({
    statuses: [],
    broken: expect.stringContaining('it hangs'),
  });
});

test('a service that answers with something that is no HTTP is found', async () => {
  const url = await serve((socket) => void socket.end('garbage\r\n\r\n'));
  expect((await exchange(url, 'garbage')).broken).toContain('not a reply');
});

test('a service at which something is left under way is found, and told by its gauge', async () => {
  const metrics = (inFlight: number, waiters: number) =>
    `# TYPE order_waiters gauge\nhttp_requests_in_flight{service="x"} ${inFlight}\norder_waiters{service="x"} ${waiters}\n`;
  const bodies = [metrics(3, 0), metrics(1, 0)];
  const server = createHttpServer((_request, response) => void response.end(bodies.shift() ?? metrics(1, 2)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => server.closeAllConnections());
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  expect(await gaugesAtRest(url)).toEqual([]);
  expect(await gaugesAtRest(url, 100)).toEqual(['order_waiters{service="x"} 2']);
});

test('of a log, errors and what is no line of it are failures; warnings are not', () => {
  const [info, warning, error] = [30, 40, 50].map((level) => JSON.stringify({ level, msg: 'x' }));
  expect(failures([info!, warning!, error!, 'TypeError: x'])).toEqual([error, 'TypeError: x']);
});
