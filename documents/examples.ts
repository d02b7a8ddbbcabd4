import type { PaymentCompleted, PaymentDeclined } from '@stream-processing/contracts/billing.ts';
import type { OrderPlaced } from '@stream-processing/contracts/orders.ts';
import type { UserCreated } from '@stream-processing/contracts/users.ts';
import type { Static } from 'typebox';

/** Of users 42 and 58, whose order is paid and whose is not: with 16 partitions both are in partition 10. */
export const EXAMPLES: {
  UserCreated: UserCreated;
  OrderPlaced: OrderPlaced;
  PaymentCompleted: Static<typeof PaymentCompleted>;
  PaymentDeclined: Static<typeof PaymentDeclined>;
} = {
  UserCreated: {
    user_id: 42,
    email: 'anna@example.org',
    name: 'Anna',
    locale: 'en',
    created_at: '2026-01-31T12:00:00.000Z',
  },
  OrderPlaced: { order_id: 7, user_id: 42, price: 24_990, placed_at: '2026-01-31T12:00:05.000Z' },
  PaymentCompleted: {
    order_id: 7,
    user_id: 42,
    price: 24_990,
    currency: 'RUB',
    decided_at: '2026-01-31T12:00:05.004Z',
  },
  PaymentDeclined: {
    order_id: 8,
    user_id: 58,
    price: 500_000,
    currency: 'RUB',
    decided_at: '2026-01-31T12:00:09.004Z',
    reason: 'insufficient_funds',
  },
};
