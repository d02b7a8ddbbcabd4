import Type, { type Static } from 'typebox';
import { Amount, Exact, Id, MinorUnits, Time } from './common.ts';

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

export const OrderPlaced = Exact(
  { order_id: Id, user_id: Id, price: MinorUnits, placed_at: Time },
  { description: 'An order was accepted and waits for its payment.' },
);
export type OrderPlaced = Static<typeof OrderPlaced>;

export const ORDER_EVENTS = { OrderPlaced };
