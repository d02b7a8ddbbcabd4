import { expect, test } from 'vitest';
import { given } from '../../test/given.ts';
import { LETTERS_OF_ORDER_7, ORDER_7 } from '../../test/letters.ts';
import { apply, type Command, decide, type KnownUser, type Order } from './decide.ts';

const now = new Date('2026-01-31T12:00:00.000Z');
const anna: KnownUser = { id: 3, locale: 'ru' };
const boris: KnownUser = { id: 4, locale: 'en' };
const pending: Order = {
  id: 7,
  user_id: anna.id,
  price: 1250n,
  status: 'pending',
  message: null,
  created_at: now,
};

const place = (user_id: number, price = 1250n): Command => ({ type: 'PlaceOrder', user_id, price, now });
const settle = (more: object = {}, user_id = anna.id): Command => ({
  type: 'SettleOrder',
  user_id,
  result: { ...ORDER_7, paid: true, ...more },
});

/** Decides about commands of one batch; an order that is placed first has the id 7, the next one the id 8. */
function whenKnown({ users = [anna], orders = [] as Order[] }, ...commands: Command[]) {
  const known = given(
    { decide, apply },
    {
      users: new Map(users.map((user) => [user.id, user])),
      orders: new Map(orders.map((order) => [order.id, order])),
      ids: new Map(commands.map((command, i) => [command, 7 + i])),
    },
  );
  return { decisions: known.when(...commands), orders: [...known.state.orders.values()] };
}

test('an order of a known user is pending, and placed for billing to decide', () => {
  const { decisions, orders } = whenKnown({}, place(anna.id));
  const data = { order_id: 7, user_id: anna.id, price: 1250, placed_at: '2026-01-31T12:00:00.000Z' };
  expect(decisions).toEqual([
    { outcome: 'placed', order: pending, events: [{ type: 'OrderPlaced', user_id: anna.id, data }] },
  ]);
  expect(orders).toEqual([pending]);
});

test('two equal orders of one batch are two orders', () => {
  const { decisions } = whenKnown({}, place(anna.id), place(anna.id));
  expect(decisions).toMatchObject([{ order: { id: 7 } }, { order: { id: 8 } }]);
});

test('the largest price travels in the event without loss', () => {
  const { decisions } = whenKnown({}, place(anna.id, 9_000_000_000_000_000n));
  expect(decisions).toMatchObject([{ events: [{ data: { price: 9_000_000_000_000_000 } }] }]);
});

test.each([place(boris.id), settle({}, boris.id)])('$type of an unknown user changes nothing', (command) => {
  const { decisions, orders } = whenKnown({ orders: [pending] }, command);
  expect(decisions).toEqual([{ outcome: 'unknown_user', missing: true }]);
  expect(orders).toEqual([pending]);
});

test('a user is remembered, and can order in the same batch', () => {
  const { decisions } = whenKnown({ users: [] }, { type: 'RememberUser', user: anna }, place(anna.id));
  expect(decisions).toMatchObject([{ outcome: 'remembered', user: anna }, { outcome: 'placed' }]);
});

test.each(LETTERS_OF_ORDER_7)(
  'an order of a user who speaks $locale, settled with paid = $paid, says what its letter says',
  ({ locale, paid, body }) => {
    const given = { users: [{ ...anna, locale }], orders: [pending] };
    const { decisions, orders } = whenKnown(given, settle({ paid }));
    const settled = { ...pending, status: paid ? 'confirmed' : 'failed', message: body };
    expect(decisions).toEqual([{ outcome: 'settled', order: settled }]);
    expect(orders).toEqual([settled]);
  },
);

test('an order that was never placed cannot be settled', () => {
  expect(() => whenKnown({}, settle())).toThrow('order 7, which was never placed');
});

test.each(['confirmed', 'failed'] as const)('an order that is %s cannot be settled again', (status) => {
  const orders: Order[] = [{ ...pending, status, message: 'decided' }];
  expect(() => whenKnown({ orders }, settle())).toThrow(`order 7 is ${status} and was decided again`);
});

test('an order cannot be settled twice in one batch either', () => {
  expect(() => whenKnown({ orders: [pending] }, settle(), settle())).toThrow('was decided again');
});

test.each([
  { of: 'another price', command: settle({ price: 1251n }) },
  { of: 'another user', command: settle({}, boris.id) },
])('a result that speaks of $of than the order does is a broken log', ({ command }) => {
  expect(() => whenKnown({ users: [anna, boris], orders: [pending] }, command)).toThrow(
    'billing decided order 7 for another user or price',
  );
});

test('deciding alone leaves the state as it was', () => {
  const state = { users: new Map([[anna.id, anna]]), orders: new Map([[7, pending]]), ids: new Map() };
  const before = structuredClone(state);
  decide(state, settle());
  expect(state).toEqual(before);
});
