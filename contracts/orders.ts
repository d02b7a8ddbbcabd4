import Type, { type Static } from 'typebox';
import { Amount, Exact, Id, Time } from './common.ts';

export const ORDER_STATUSES = ['pending', 'confirmed', 'failed'] as const;
export type OrderStatus = (typeof ORDER_STATUSES)[number];

export const NewOrder = Exact({ user_id: Id, price: Amount }, { title: 'NewOrder' });
export type NewOrder = Static<typeof NewOrder>;

export const Order = Exact(
  {
    id: Id,
    user_id: Id,
    price: Amount,
    status: Type.Enum([...ORDER_STATUSES]),
    message: Type.Union([Type.String(), Type.Null()], {
      description: 'The body of the letter with the result; null while pending.',
    }),
    created_at: Time,
  },
  { title: 'Order' },
);
export type Order = Static<typeof Order>;

/** `price` in minor units. */
export const OrderPlaced = Exact({ order_id: Id, user_id: Id, price: Id, placed_at: Time });
export type OrderPlaced = Static<typeof OrderPlaced>;

export const ORDER_EVENTS = { OrderPlaced };
