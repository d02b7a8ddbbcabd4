/** Replies that are lost, late, refused or none: what is repeated, and what a call ends in. */
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { whileLocked } from '../test/shared-installation.ts';
import { until } from '../test/until.ts';
import { givenServices, listen, newUser, problem, watched } from './given.ts';
import {
  createClient,
  NoAnswerError,
  PendingOrderError,
  ProblemError,
  UnexpectedReplyError,
} from './index.ts';

const { shared, clientOf } = givenServices();

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
    const call = clientOf({ fetch: refusing }).users.get(1, {}, { timeout: 900 });
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
      const call = clientOf({ fetch: seen }).users.get(1, {}, { signal: controller.signal });
      const ended = expect(call).rejects.toBe(reason);
      await until('the request was sent', () => keys.length > 0);
      controller.abort(reason);
      await ended;
      await expect(clientOf().users.get(1, {}, { signal: controller.signal })).rejects.toBe(reason);
    }
  });

  test.each([0, -1, Number.NaN])('a timeout of %s is refused', async (timeout) => {
    expect(() => clientOf({ timeout })).toThrow('timeout must be');
    expect(() => clientOf({ attemptTimeout: timeout })).toThrow('attemptTimeout must be');
    await expect(async () => clientOf().users.get(1, {}, { timeout })).rejects.toThrow('timeout must be');
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
