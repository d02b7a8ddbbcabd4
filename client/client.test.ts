import { describe, expect, test } from 'vitest';
import { givenServices, listen, newUser, watched } from './given.ts';
import { createClient } from './index.ts';

const { shared, clientOf } = givenServices();

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
