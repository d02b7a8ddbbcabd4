import { expect, test } from 'vitest';
import { shareInstallation } from './shared-installation.ts';

const shared = shareInstallation();

test('an order that the account can pay is confirmed, debited once, and told by a letter of happiness', async () => {
  const { api } = shared;
  const user_id = await api.userWith(100);
  const order = await api.order(user_id, 30.55);
  expect(order).toMatchObject({ status: 201, body: { user_id, price: 30.55, status: 'confirmed' } });
  expect(await api.account(user_id)).toMatchObject({ status: 200, body: { user_id, balance: 69.45 } });
  expect(await api.letters(user_id)).toMatchObject([
    { user_id, order_id: order.body.id, subject: 'Результат оформления заказа', body: order.body.message },
  ]);
  expect(order.body.message).toMatch(/^Письмо счастья: /);
});

test('an order that is too dear fails, costs nothing, and is told by a letter of grief', async () => {
  const { api } = shared;
  const user_id = await api.userWith(10, { locale: 'en' });
  const order = await api.order(user_id, 10.01);
  expect(order).toMatchObject({ status: 201, body: { status: 'failed' } });
  expect(await api.account(user_id)).toMatchObject({ body: { balance: 10 } });
  expect(await api.letters(user_id)).toMatchObject([{ order_id: order.body.id, body: order.body.message }]);
  expect(order.body.message).toMatch(/^Letter of grief: /);
});

test('32 callers at once on one account with money for half of their orders: exactly half are confirmed', async () => {
  const { api } = shared;
  const user_id = await api.userWith(16 * 7);
  const orders = await Promise.all(Array.from({ length: 32 }, () => api.order(user_id, 7)));
  expect(orders.map((order) => order.status)).toEqual(Array(32).fill(201));
  const statuses = orders.map((order) => order.body.status).sort();
  expect(statuses).toEqual([...Array(16).fill('confirmed'), ...Array(16).fill('failed')]);
  expect((await api.account(user_id)).body.balance).toBe(0);
  const statement = await api.all('billing-service', `/accounts/${user_id}/transfers`);
  expect(statement.map((t) => t.sequence)).toEqual(Array.from({ length: 17 }, (_, i) => i + 1));
  expect(Math.min(...statement.map((t) => t.balance))).toBe(0);
  expect(await api.letters(user_id)).toHaveLength(32);
});

test('a new user can be used at every other service in the very next request, 1,000 times out of 1,000', async () => {
  const { api } = shared;
  const once = async () => {
    const { body: user } = await api.createUser();
    const [account, order] = await Promise.all([api.account(user.id), api.order(user.id, 1)]);
    return { account: account.status, balance: account.body.balance, order: order.status };
  };
  const lane = async () => {
    const seen = [];
    for (let i = 0; i < 125; i += 1) seen.push(await once());
    return seen;
  };
  const seen = (await Promise.all(Array.from({ length: 8 }, lane))).flat();
  expect(seen).toEqual(Array(1000).fill({ account: 200, balance: 0, order: 201 }));
});

test('200 users with 20 orders each, 64 at a time: every debit, letter and message agrees, all balances sum to zero', async () => {
  const { api } = shared;
  const users = await Promise.all(Array.from({ length: 200 }, () => api.userWith(100)));
  const jobs = users.flatMap((user_id) =>
    Array.from({ length: 20 }, (_, i) => ({ user_id, price: i + 0.5 })),
  );
  const orders: { user_id: number; id: number; status: string; price: number; message: string | null }[] = [];
  const work = async () => {
    for (let job = jobs.pop(); job; job = jobs.pop()) {
      const { status, body } = await api.order(job.user_id, job.price);
      expect(status).toBe(201);
      orders.push(body);
    }
  };
  await Promise.all(Array.from({ length: 64 }, work));
  expect(orders).toHaveLength(4000);

  for (const user_id of users) {
    const mine = orders.filter((order) => order.user_id === user_id);
    const confirmed = mine.filter((order) => order.status === 'confirmed');
    const [{ body: account }, transfers, letters] = await Promise.all([
      api.account(user_id),
      api.all('billing-service', `/accounts/${user_id}/transfers`),
      api.letters(user_id),
    ]);
    const paid = transfers.filter((t) => t.kind === 'payment');
    expect(paid.map((t) => t.order_id).sort()).toEqual(confirmed.map((o) => o.id).sort());
    expect(account.balance * 100).toBe(10_000 - confirmed.reduce((sum, order) => sum + order.price * 100, 0));
    const told = new Map(letters.map((letter) => [letter.order_id, letter.body]));
    expect(letters).toHaveLength(20);
    expect(mine.map((order) => told.get(order.id))).toEqual(mine.map((order) => order.message));
  }
  expect((await api.get('billing-service', '/trial-balance')).body).toMatchObject({ sum: 0, balanced: true });
});
