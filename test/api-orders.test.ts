import { List } from '@stream-processing/contracts/common.ts';
import { LOCALES } from '@stream-processing/contracts/names.ts';
import { Order } from '@stream-processing/contracts/orders.ts';
import { expect, test } from 'vitest';
import { expectProblem, expectReply } from './replies.ts';
import { shareInstallation, whileLocked } from './shared-installation.ts';

const shared = shareInstallation();
const UNKNOWN = 999_999_999;

const read = (id: number, query = '') => shared.api.get('order-service', `/orders/${id}${query}`);

/** Holds billing back, so that orders stay pending while `work` runs. */
const whileBillingWaits = <T>(work: () => Promise<T>) =>
  whileLocked(shared.sql, 'billing_service.accounts', work);

/** The order once it is final. */
async function final(id: number) {
  await expect
    .poll(async () => (await read(id)).body.status, { timeout: 10_000, message: `order ${id} becomes final` })
    .not.toBe('pending');
  return expectReply(await read(id), 200, Order);
}

test.each(LOCALES)(
  'orders of a user who speaks %s say the same in the reply, in every read and in the letter',
  async (locale) => {
    const user_id = await shared.api.userWith(10, { locale });
    const paid = await shared.api.order(user_id, 9.99);
    const declined = await shared.api.order(user_id, 0.02);
    const expected = [
      {
        reply: paid,
        price: 9.99,
        status: 'confirmed',
        begins: { ru: 'Письмо счастья: ', en: 'Letter of h' },
      },
      { reply: declined, price: 0.02, status: 'failed', begins: { ru: 'Письмо горя: ', en: 'Letter of g' } },
    ];
    for (const { reply, price, status, begins } of expected) {
      const order = expectReply(reply, 201, Order);
      expect(order).toMatchObject({ user_id, price, status });
      expect(order.message?.startsWith(begins[locale])).toBe(true);
      expect(reply.headers.get('location')).toBe(`/orders/${order.id}`);
      expect(reply.headers.has('retry-after')).toBe(false);
      expect(reply.headers.has('preference-applied')).toBe(false);
      expect(expectReply(await read(order.id), 200, Order)).toEqual(order);
    }
    const list = await shared.api.get('order-service', `/orders?user_id=${user_id}`);
    expect(expectReply(list, 200, List(Order)).items).toEqual([paid.body, declined.body]);
    const letters = await shared.api.letters(user_id);
    expect(letters.map(({ order_id, body }) => ({ order_id, body }))).toEqual(
      [paid.body, declined.body].map(({ id, message }) => ({ order_id: id, body: message })),
    );
  },
);

test.each([
  ['wait=0', 'wait=0'],
  ['respond-async', 'respond-async'],
  ['respond-async, wait=30', 'respond-async'],
])('Prefer: %s is answered at once, and the order becomes final later', async (prefer, applied) => {
  const user_id = await shared.api.userWith(10);
  const pending = await whileBillingWaits(async () => {
    const reply = await shared.api.order(user_id, 3, { prefer });
    const order = expectReply(reply, 202, Order);
    expect(order).toMatchObject({ user_id, price: 3, status: 'pending', message: null });
    expect(reply.headers.get('location')).toBe(`/orders/${order.id}`);
    expect(reply.headers.get('retry-after')).toBe('1');
    expect(reply.headers.get('preference-applied')).toBe(applied);
    for (const query of ['', '?consistency=fresh', '?consistency=eventual']) {
      expect(expectReply(await read(order.id, query), 200, Order)).toEqual(order);
      const list = await shared.api.get(
        'order-service',
        `/orders${query}${query ? '&' : '?'}user_id=${user_id}`,
      );
      expect(expectReply(list, 200, List(Order)).items).toEqual([order]);
    }
    return order;
  });
  const { message, ...settled } = await final(pending.id);
  expect({ ...settled, message: null }).toEqual({ ...pending, status: 'confirmed' });
  expect((await shared.api.account(user_id)).body.balance).toBe(7);
  expect(await shared.api.letters(user_id)).toMatchObject([{ order_id: pending.id, body: message }]);
});

test('an order that is not final within the preferred second is answered as pending', async () => {
  const user_id = await shared.api.userWith(10);
  const reply = await whileBillingWaits(() => shared.api.order(user_id, 3, { prefer: 'wait=1' }));
  expect(expectReply(reply, 202, Order).status).toBe('pending');
  expect(reply.headers.get('preference-applied')).toBe('wait=1');
  expect((await final(reply.body.id)).status).toBe('confirmed');
});

test.each([
  ['wait=10', 'wait=10'],
  ['wait=3600', 'wait=30'],
  ['WAIT="2"', 'wait=2'],
  ['wait=soon', null],
  ['wait=-1', null],
  ['handling=lenient', null],
  [',;=,"', null],
])('Prefer: %s waits for the final order, and says so by Preference-Applied: %s', async (prefer, applied) => {
  const user_id = await shared.api.userWith(10);
  const reply = await shared.api.order(user_id, 3, { prefer });
  expect(expectReply(reply, 201, Order).status).toBe('confirmed');
  expect(reply.headers.get('preference-applied')).toBe(applied);
  expect(reply.headers.has('retry-after')).toBe(false);
});

test('a user without orders has an empty list', async () => {
  const user_id = await shared.api.userWith(0);
  const list = await shared.api.get('order-service', `/orders?user_id=${user_id}`);
  expect(expectReply(list, 200, List(Order))).toEqual({ items: [], next_cursor: null });
});

test('the dearest order is told in every digit', async () => {
  const user_id = await shared.api.userWith(90_000_000_000_000);
  const order = expectReply(await shared.api.order(user_id, 80_000_000_000_000), 201, Order);
  expect(order.message).toContain('80000000000000.00 RUB');
  const text = await (await fetch(`${shared.urls['order-service']}/orders/${order.id}`)).text();
  expect(text).toContain('"price":80000000000000.00,');
});

test('who or what is unknown is not found', async () => {
  expectProblem(await shared.api.order(UNKNOWN, 1), 'user_not_found');
  expectProblem(await shared.api.order(UNKNOWN, 1, { prefer: 'respond-async' }), 'user_not_found');
  expectProblem(await shared.api.get('order-service', `/orders?user_id=${UNKNOWN}`), 'user_not_found');
  expectProblem(
    await shared.api.get('order-service', `/orders?user_id=${UNKNOWN}&consistency=eventual`),
    'user_not_found',
  );
  expectProblem(await read(UNKNOWN), 'order_not_found');
  expectProblem(await read(-1), 'invalid_parameter', ['id']);
  expectProblem(await read(1, '?consistency=soon'), 'invalid_parameter', ['consistency']);
  expectProblem(await shared.api.get('order-service', '/orders'), 'invalid_parameter', ['user_id']);
});
