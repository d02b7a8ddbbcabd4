import { type OrderResult, resultLetter } from '@stream-processing/contracts/letters.ts';
import type { Locale } from '@stream-processing/contracts/names.ts';
import type { OrderPlaced, OrderStatus } from '@stream-processing/contracts/orders.ts';

/** Prices in minor units. */
export interface Order {
  id: number;
  user_id: number;
  price: bigint;
  status: OrderStatus;
  /** The body of the letter with the result; null while pending. */
  message: string | null;
  created_at: Date;
}

export interface KnownUser {
  id: number;
  locale: Locale;
}

export type Command =
  | { type: 'RememberUser'; user: KnownUser }
  | { type: 'PlaceOrder'; user_id: number; price: bigint; now: Date }
  | { type: 'SettleOrder'; user_id: number; result: OrderResult };

export interface State {
  users: Map<number, KnownUser>;
  /** The orders that the batch settles. */
  orders: Map<number, Order>;
  /** The id that each command gives its order. */
  ids: Map<Command, number>;
}

export type Decision =
  | { outcome: 'unknown_user'; missing: true; order?: never; user?: never; events?: never }
  | { outcome: 'remembered'; missing?: never; user: KnownUser; order?: never; events?: never }
  | {
      outcome: 'placed' | 'settled';
      missing?: never;
      order: Order;
      user?: never;
      events?: { type: 'OrderPlaced'; user_id: number; data: OrderPlaced }[];
    };

export function decide(state: State, command: Command): Decision {
  if (command.type === 'RememberUser') return { outcome: 'remembered', user: command.user };
  const user = state.users.get(command.user_id);
  if (!user) return { outcome: 'unknown_user', missing: true };
  return command.type === 'PlaceOrder' ? place(state, command) : settle(state, command, user);
}

export function apply(state: State, decision: Decision): void {
  if (decision.user) state.users.set(decision.user.id, decision.user);
  if (decision.order) state.orders.set(decision.order.id, decision.order);
}

function place(state: State, command: Extract<Command, { type: 'PlaceOrder' }>): Decision {
  const { user_id, price, now } = command;
  const id = state.ids.get(command)!;
  const data = { order_id: id, user_id, price: Number(price), placed_at: now.toISOString() };
  return {
    outcome: 'placed',
    order: { id, user_id, price, status: 'pending', message: null, created_at: now },
    events: [{ type: 'OrderPlaced', user_id, data }],
  };
}

/** Billing answers each order once. Anything else is a broken log, not a case to be handled. */
function settle(
  state: State,
  { result }: Extract<Command, { type: 'SettleOrder' }>,
  user: KnownUser,
): Decision {
  const order = state.orders.get(result.order_id);
  if (!order) throw new Error(`billing speaks of order ${result.order_id}, which was never placed`);
  if (order.status !== 'pending')
    throw new Error(`order ${order.id} is ${order.status} and was decided again`);
  if (order.user_id !== user.id || order.price !== result.price) {
    throw new Error(`billing decided order ${order.id} for another user or price`);
  }
  const status = result.paid ? 'confirmed' : 'failed';
  return { outcome: 'settled', order: { ...order, status, message: resultLetter(user.locale, result).body } };
}
