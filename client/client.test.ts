import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { shareInstallation, whileLocked } from '../test/shared-installation.ts';
import { until } from '../test/until.ts';
import {
  type ClientOptions,
  createClient,
  NoAnswerError,
  PendingOrderError,
  ProblemError,
  UnexpectedReplyError,
} from './index.ts';

const shared = shareInstallation();
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

function clientOf(options: ClientOptions = {}) {
  const { urls } = shared;
  const baseUrl = {
    users: urls['user-service'],
    accounts: urls['billing-service'],
    notifications: urls['notification-service'],
    orders: urls['order-service'],
  };
  return createClient({ baseUrl, ...options });
}

const newUser = () => ({ email: `${randomUUID()}@example.org`, name: 'Anna', locale: 'en' as const });

/** The keys of the attempts, and a fetch that lets `happen` decide what becomes of each. */
function watched(happen: (request: Request, attempt: number, init?: RequestInit) => Promise<Response>) {
  const keys: (string | null)[] = [];
  const watchedFetch: typeof fetch = (input, init) => {
    const request = input as Request;
    keys.push(request.headers.get('idempotency-key'));
    return happen(request, keys.length, init);
  };
  return { keys, fetch: watchedFetch };
}

const problem = (status: number, code: string, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify({ type: `urn:problem:${code}`, title: 'No', status, detail: 'No.', code }), {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
  });

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('every call', () => {
  test('does what its route does', async () => {
    const client = clientOf();
    const { id: user_id, email } = await client.users.create(newUser());
    expect(await client.users.get(user_id)).toMatchObject({ id: user_id, email, locale: 'en' });
    expect(await client.accounts.open(user_id)).toEqual({ user_id, balance: 0 });
    expect(await client.accounts.deposit(user_id, 100.5)).toEqual({ user_id, balance: 100.5 });
    expect(await client.accounts.withdraw(user_id, 0.5)).toMatchObject({ withdrawn: true, balance: 100 });
    const order = await client.orders.place({ user_id, price: 30 });
    expect(order).toMatchObject({ status: 'confirmed', message: expect.stringContaining('happiness') });
    expect(await client.orders.place({ user_id, price: 5000 })).toMatchObject({ status: 'failed' });
    expect(await client.orders.get(order.id)).toEqual(order);
    const submitted = await client.orders.submit({ user_id, price: 1 });
    expect(await client.orders.final(submitted.id)).toMatchObject({ id: submitted.id, status: 'confirmed' });
    const text = { user_id, email, subject: 'Hello', body: 'How are you?' };
    expect(await client.notifications.create(text)).toMatchObject(text);
    expect(await client.accounts.get(user_id)).toEqual({ user_id, balance: 69 });
    expect(await client.accounts.trialBalance()).toMatchObject({ balanced: true, sum: 0 });
    const transfers = await Array.fromAsync(client.accounts.transfers(user_id));
    expect(transfers.map(({ kind }) => kind)).toEqual(['deposit', 'withdrawal', 'payment', 'payment']);
    const letters = await Array.fromAsync(client.notifications.list({ user_id }));
    expect(letters.map(({ body }) => body)).toContain(order.message);
  });

  test('goes to one address as well, whatever stands behind it', async () => {
    const of = (url: string) =>
      Object.entries({
        users: 'user-service',
        accounts: 'billing-service',
        'trial-balance': 'billing-service',
        notifications: 'notification-service',
        orders: 'order-service',
      } as const).find(([root]) => url.startsWith(`/shop/${root}`))![1];
    const gateway = await listen(async (request, response) => {
      const chunks: Buffer[] = await request.toArray();
      const { method, headers } = request;
      const url = `${shared.urls[of(request.url!)]}${request.url!.slice('/shop'.length)}`;
      const answer = await fetch(url, {
        method: method!,
        headers: {
          'content-type': 'application/json',
          'idempotency-key': String(headers['idempotency-key'] ?? 'none'),
        },
        ...(method === 'POST' ? { body: Buffer.concat(chunks) } : {}),
      });
      expect(headers.authorization).toBe('Bearer secret');
      response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type')! });
      response.end(await answer.text());
    });
    const client = createClient({ baseUrl: `${gateway}/shop/`, headers: { authorization: 'Bearer secret' } });
    const { id: user_id } = await client.users.create(newUser());
    await client.accounts.deposit(user_id, 10);
    expect(await client.orders.place({ user_id, price: 4 })).toMatchObject({ status: 'confirmed' });
    expect(await Array.fromAsync(client.notifications.list({ user_id }))).toHaveLength(1);
    expect(await client.accounts.trialBalance()).toMatchObject({ balanced: true });
  });

  test.each(['', 'localhost:8000', 'ftp://example.org'])('does not go to "%s"', (baseUrl) => {
    expect(() => createClient({ baseUrl })).toThrow('is no http address');
  });
});

describe('repetition', () => {
  test('replies that are lost cost nothing: one key, one effect', async () => {
    const { id } = await clientOf().users.create(newUser());
    const { keys, fetch: losing } = watched(async (request, attempt, init) => {
      const response = await fetch(request, init);
      if (attempt > 2) return response;
      await response.text();
      throw new TypeError('fetch failed');
    });
    expect(await clientOf({ fetch: losing }).accounts.deposit(id, 5)).toEqual({ user_id: id, balance: 5 });
    expect(keys).toEqual([keys[0], keys[0], keys[0]]);
    expect(keys[0]).toMatch(/^[\da-f-]{36}$/);
    expect(await clientOf().accounts.get(id)).toEqual({ user_id: id, balance: 5 });
  });

  test('an own key is used; two calls have two keys otherwise', async () => {
    const { keys, fetch: seen } = watched((request, _attempt, init) => fetch(request, init));
    const client = clientOf({ fetch: seen });
    const { id } = await client.users.create(newUser());
    const idempotencyKey = randomUUID();
    await client.accounts.deposit(id, 5, { idempotencyKey });
    await client.accounts.deposit(id, 5, { idempotencyKey });
    await client.accounts.get(id);
    expect(await client.accounts.deposit(id, 5)).toEqual({ user_id: id, balance: 10 });
    expect(keys.slice(1, 4)).toEqual([idempotencyKey, idempotencyKey, null]);
    expect(new Set([keys[0], keys[1], keys[4]]).size).toBe(3);
  });

  test.each([
    [408, 'request_timeout'],
    [503, 'overloaded'],
    [503, 'outcome_unknown'],
  ])('%s %s is repeated, not before Retry-After is over', async (status, code) => {
    let refusedAt = 0;
    const { keys, fetch: refusing } = watched((request, attempt, init) => {
      if (attempt > 1) return fetch(request, init);
      refusedAt = performance.now();
      return Promise.resolve(problem(status, code, { 'retry-after': '1' }));
    });
    const user = await clientOf({ fetch: refusing }).users.create(newUser());
    expect(user.id).toBeGreaterThan(0);
    // Timers may be a millisecond early.
    expect(performance.now() - refusedAt).toBeGreaterThan(998);
    expect(keys).toEqual([keys[0], keys[0]]);
  });

  test('a gateway that does not reach the services is asked again', async () => {
    const { keys, fetch: unreached } = watched((request, attempt, init) =>
      attempt > 1
        ? fetch(request, init)
        : Promise.resolve(
            new Response('<h1>502</h1>', { status: 502, headers: { 'content-type': 'text/html' } }),
          ),
    );
    await clientOf({ fetch: unreached }).users.create(newUser());
    expect(keys).toEqual([keys[0], keys[0]]);
  });

  test('a service that hangs is given up for another attempt', async () => {
    let requests = 0;
    const hanging = await listen((_request, response) => {
      requests += 1;
      // The first is never answered, the second only half.
      if (requests === 2) response.writeHead(200, { 'content-length': '10' }).write('{');
      if (requests > 2) {
        response.writeHead(200, { 'content-type': 'application/json' }).end('{"user_id":1,"balance":0}');
      }
    });
    const client = createClient({ baseUrl: hanging, attemptTimeout: 100 });
    expect(await client.accounts.get(1)).toEqual({ user_id: 1, balance: 0 });
    expect(requests).toBe(3);
  });

  test('a refusal is not repeated, and says what is wrong', async () => {
    const { keys, fetch: seen } = watched((request, _attempt, init) => fetch(request, init));
    const client = clientOf({ fetch: seen });
    const refusal = await client.orders.place({ user_id: 1, price: -1 }).catch((error) => error);
    expect(refusal).toBeInstanceOf(ProblemError);
    expect(refusal).toMatchObject({
      name: 'ProblemError',
      status: 422,
      code: 'invalid_body',
      errors: [{ pointer: '/price', detail: expect.stringContaining('more than 0') }],
      requestId: expect.stringMatching(/^[\da-f]{32}$/),
      idempotencyKey: keys[0],
    });
    expect(keys).toHaveLength(1);
    await expect(client.users.get(999_999_999)).rejects.toMatchObject({
      status: 404,
      code: 'user_not_found',
    });
  });

  test('internal_error is not repeated', async () => {
    const { keys, fetch: failing } = watched(async () => problem(500, 'internal_error'));
    await expect(clientOf({ fetch: failing }).users.get(1)).rejects.toMatchObject({ code: 'internal_error' });
    expect(keys).toHaveLength(1);
  });
});

describe('an end', () => {
  test('nobody answers: NoAnswerError with the key, within the time of the call', async () => {
    const { keys, fetch: broken } = watched(async () => {
      throw new TypeError('fetch failed');
    });
    const began = performance.now();
    const error = await clientOf({ fetch: broken, timeout: 500 })
      .accounts.deposit(1, 5)
      .catch((reason) => reason);
    expect(error).toBeInstanceOf(NoAnswerError);
    expect(error).toMatchObject({
      attempts: keys.length,
      idempotencyKey: keys[0],
      cause: expect.any(TypeError),
    });
    expect(keys.length).toBeGreaterThan(1);
    // Far from the 30 s that it would have otherwise, also on a slow machine.
    expect(performance.now() - began).toBeLessThan(5000);
  });

  test('refused to the last: the last refusal', async () => {
    const { keys, fetch: refusing } = watched(async () => problem(503, 'overloaded', { 'retry-after': '1' }));
    const call = clientOf({ fetch: refusing }).users.get(1, { timeout: 900 });
    await expect(call).rejects.toMatchObject({ status: 503, code: 'overloaded' });
    expect(keys).toHaveLength(1);
  });

  test('refused to the last after an attempt that may have taken effect: NoAnswerError, since nobody can say that nothing was done', async () => {
    for (const lost of [
      () => Promise.reject(new TypeError('fetch failed')),
      () => Promise.resolve(new Response('<h1>504</h1>', { status: 504 })),
      () => Promise.resolve(problem(503, 'outcome_unknown')),
    ]) {
      const { keys, fetch: losing } = watched((_request, attempt) =>
        attempt === 1 ? lost() : Promise.resolve(problem(503, 'overloaded')),
      );
      const client = clientOf({ fetch: losing, timeout: 700 });
      const error = await client.accounts.deposit(1, 5).catch((reason) => reason);
      expect(error).toBeInstanceOf(NoAnswerError);
      expect(error).toMatchObject({ idempotencyKey: keys[0], cause: { code: 'overloaded' } });
      await expect(client.users.get(1), 'of a GET the last refusal').rejects.toBeInstanceOf(ProblemError);
    }
  });

  test('the signal ends a call that waits for its next attempt, one under way, and one not begun', async () => {
    const reason = new Error('enough');
    const refusing = async () => problem(503, 'overloaded', { 'retry-after': '25' });
    const hanging: typeof fetch = (_input, init) =>
      new Promise((_resolve, reject) => {
        init!.signal!.addEventListener('abort', () => reject(init!.signal!.reason));
      });
    for (const what of [refusing, hanging]) {
      const { keys, fetch: seen } = watched((request, _attempt, init) => what(request, init));
      const controller = new AbortController();
      const call = clientOf({ fetch: seen }).users.get(1, { signal: controller.signal });
      const ended = expect(call).rejects.toBe(reason);
      await until('the request was sent', () => keys.length > 0);
      controller.abort(reason);
      await ended;
      await expect(clientOf().users.get(1, { signal: controller.signal })).rejects.toBe(reason);
    }
  });

  test.each([0, -1, Number.NaN])('a timeout of %s is refused', async (timeout) => {
    expect(() => clientOf({ timeout })).toThrow('timeout must be');
    expect(() => clientOf({ attemptTimeout: timeout })).toThrow('attemptTimeout must be');
    await expect(async () => clientOf().users.get(1, { timeout })).rejects.toThrow('timeout must be');
  });

  test('no limit of time is one too', async () => {
    const client = clientOf({ timeout: Number.POSITIVE_INFINITY, attemptTimeout: Number.POSITIVE_INFINITY });
    expect((await client.users.create(newUser())).id).toBeGreaterThan(0);
  });

  test.each(['', 'two words', 'ключ', 'k'.repeat(256)])('the key "%s" is refused', async (idempotencyKey) => {
    const call = async () => clientOf().accounts.deposit(1, 5, { idempotencyKey });
    await expect(call).rejects.toThrow('idempotencyKey must be');
  });

  test.each([-1, 31, 2.5])('a wait of %s is refused', async (wait) => {
    await expect(clientOf().orders.place({ user_id: 1, price: 1 }, { wait })).rejects.toThrow('from 0 to 30');
  });

  test('what is no reply of these services is told as such', async () => {
    const elsewhere = await listen((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Welcome</h1>');
    });
    const error = await createClient({ baseUrl: elsewhere })
      .users.get(1)
      .catch((reason) => reason);
    expect(error).toBeInstanceOf(UnexpectedReplyError);
    expect(error).toMatchObject({ status: 200, body: '<h1>Welcome</h1>' });
  });

  test('a redirection is not followed, and a reply without a body is no reply; of a POST the key is told', async () => {
    let requests = 0;
    const elsewhere = await listen((request, response) => {
      requests += 1;
      if (request.url!.startsWith('/users'))
        response.writeHead(301, { location: `${elsewhere}/accounts/1` }).end();
      else response.writeHead(204).end();
    });
    const client = createClient({ baseUrl: elsewhere });
    const idempotencyKey = 'mine';
    const moved = await client.users.create(newUser(), { idempotencyKey }).catch((reason) => reason);
    expect(moved).toBeInstanceOf(UnexpectedReplyError);
    expect(moved).toMatchObject({ status: 301, idempotencyKey });
    const empty = await client.accounts.get(1).catch((reason) => reason);
    expect(empty).toBeInstanceOf(UnexpectedReplyError);
    expect(empty).toMatchObject({ status: 204, idempotencyKey: undefined });
    expect(requests).toBe(2);
  });
});

describe('an order that cannot be decided yet', () => {
  test('is waited for', async () => {
    const client = clientOf();
    const { id: user_id } = await client.users.create(newUser());
    await client.accounts.deposit(user_id, 10);
    const placed = await whileLocked(shared.sql, 'billing_service.accounts', async () => {
      const order = await client.orders.submit({ user_id, price: 4 });
      expect(order).toMatchObject({ status: 'pending', message: null });
      return { order: client.orders.final(order.id), id: order.id };
    });
    expect(await placed.order).toMatchObject({ id: placed.id, status: 'confirmed' });
  });

  test('is told as pending at the end of the time, and decided later, once', async () => {
    const client = clientOf();
    const { id: user_id } = await client.users.create(newUser());
    await client.accounts.deposit(user_id, 10);
    // The reply is asked for in less time than the call has, also where five seconds are the usual wait.
    const error = await whileLocked(shared.sql, 'billing_service.accounts', () =>
      client.orders.place({ user_id, price: 4 }, { timeout: 3000 }).catch((reason) => reason),
    );
    expect(error).toBeInstanceOf(PendingOrderError);
    expect(error.order).toMatchObject({ user_id, status: 'pending' });
    expect(await client.orders.final(error.order.id)).toMatchObject({ status: 'confirmed' });
    expect(await client.accounts.get(user_id)).toEqual({ user_id, balance: 6 });
  });

  test('is told as pending, whatever comes instead of its result', async () => {
    const { fetch: failing } = watched(async (request) =>
      request.method === 'GET'
        ? new Response('<h1>Welcome</h1>', { headers: { 'content-type': 'text/html' } })
        : Response.json({ id: 7, status: 'pending' }, { status: 202 }),
    );
    const error = await clientOf({ fetch: failing })
      .orders.place({ user_id: 1, price: 4 })
      .catch((reason) => reason);
    expect(error).toBeInstanceOf(PendingOrderError);
    expect(error).toMatchObject({ order: { id: 7 }, cause: expect.any(UnexpectedReplyError) });
  });
});

test('a list is read page by page, as it is asked for', async () => {
  const { keys: requests, fetch: seen } = watched((request, _attempt, init) => fetch(request, init));
  const { id: user_id } = await clientOf().users.create(newUser());
  for (const amount of [1, 2, 3, 4, 5]) await clientOf().accounts.deposit(user_id, amount);
  const transfers = clientOf({ fetch: seen }).accounts.transfers(user_id, { limit: 2 });
  for await (const { amount } of transfers) if (amount === 2) break;
  expect(requests).toHaveLength(1);
  const amounts = await Array.fromAsync(transfers, ({ amount }) => amount);
  expect(amounts).toEqual([1, 2, 3, 4, 5]);
  const pages = await Array.fromAsync(transfers.pages(), ({ items }) => items.length);
  expect(pages).toEqual([2, 2, 1]);
  const newest = clientOf().accounts.transfers(user_id, { limit: 2, order: 'desc' });
  expect(await Array.fromAsync(newest, ({ amount }) => amount)).toEqual([5, 4, 3, 2, 1]);
});

describe('money', () => {
  const balance = async (text: string) => {
    const answer = async () =>
      new Response(`{"user_id":1,"balance":${text},"note":"80000000000000.01 \\" 1"}`, {
        headers: { 'content-type': 'application/json' },
      });
    return (await clientOf({ fetch: answer }).accounts.get(1)).balance;
  };

  test.each(['0', '0.01', '70368744177663.99', '70368744177664.00', '89999999999999.5', '90000000000000.00'])(
    '%s is read as it is',
    async (text) => {
      expect(await balance(text)).toBe(Number(text));
    },
  );

  test.each(['80000000000000.01', '89999999999999.99', '9007199254740993'])(
    '%s is refused, not rounded',
    async (text) => {
      await expect(balance(text)).rejects.toThrow(RangeError);
    },
  );

  test('the largest amount goes in and comes out', async () => {
    const client = clientOf();
    const { id } = await client.users.create(newUser());
    expect(await client.accounts.deposit(id, 70_368_744_177_663.99)).toMatchObject({
      balance: 70_368_744_177_663.99,
    });
  });
});
