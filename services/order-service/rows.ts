import type { OrderStatus } from '@stream-processing/contracts/orders.ts';
import type { Order } from './decide.ts';

/** A row of the table `orders`. */
export interface OrderRow {
  id: bigint;
  user_id: bigint;
  price: bigint;
  status: OrderStatus;
  message: string | null;
  created_at: Date;
}

export function toOrder(row: OrderRow): Order {
  return { ...row, id: Number(row.id), user_id: Number(row.user_id) };
}
