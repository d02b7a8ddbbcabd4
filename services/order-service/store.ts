import type { Locale } from '@stream-processing/contracts/names.ts';
import { idsAhead, nextIds } from '@stream-processing/runtime/ids.ts';
import { KeptRows } from '@stream-processing/runtime/kept-rows.ts';
import type { Tx } from '@stream-processing/runtime/sql.ts';
import type { Work } from '@stream-processing/runtime/work.ts';
import {
  apply,
  type Command,
  type Decision,
  decide,
  type KnownUser,
  type Order,
  type State,
} from './decide.ts';
import { type OrderRow, toOrder } from './rows.ts';

/** And ids of the orders to come, as far as they are drawn already. */
export type Drawn = State & { ahead: number[] };

export function work(): Work<Drawn, Command, Decision> {
  const users = new KeptRows<KnownUser>();
  const stateWith = (ahead: number[]): Drawn => ({
    users: new Map(),
    orders: new Map(),
    ids: new Map(),
    ahead,
  });
  return {
    empty: () => stateWith([]),
    load: (tx, state, commands) => load(tx, state, commands, users),
    decide,
    apply,
    save,
    carry: async (tx, { ahead, ids }) => stateWith(await idsAhead(tx, ORDER_ID, ahead, ids.size)),
  };
}

const ORDER_ID = 'order_id';

async function load(tx: Tx, state: Drawn, commands: Command[], known: KeptRows<KnownUser>): Promise<void> {
  const placed = commands.filter((command) => command.type === 'PlaceOrder');
  const settled = commands.filter((command) => command.type === 'SettleOrder');
  const user_ids = [...placed, ...settled]
    .map((command) => command.user_id)
    .filter((id) => !state.users.has(id));
  const order_ids = settled.map((command) => command.result.order_id).filter((id) => !state.orders.has(id));
  const [users, orders, ids] = await Promise.all([
    known.find(user_ids, (missing) => findUsers(tx, missing)),
    order_ids.length > 0 ? lockOrders(tx, order_ids) : [],
    nextIds<Command>(tx, ORDER_ID, placed, state.ahead),
  ]);
  for (const user of users.values()) state.users.set(user.id, user);
  for (const order of orders) state.orders.set(order.id, order);
  for (const [command, id] of ids) state.ids.set(command, id);
}

async function lockOrders(tx: Tx, ids: number[]): Promise<Order[]> {
  const rows = await tx<
    OrderRow[]
  >`select * from orders where id = any(${ids}::bigint[]) order by id for update`;
  return rows.map(toOrder);
}

async function findUsers(tx: Tx, ids: number[]): Promise<KnownUser[]> {
  const rows = await tx<
    { id: bigint; locale: Locale }[]
  >`select * from known_users where id = any(${ids}::bigint[])`;
  return rows.map((row) => ({ id: Number(row.id), locale: row.locale }));
}

/** An order that is placed and settled in one transaction is written once, as it ends. */
function save(tx: Tx, state: State, decisions: Decision[]): void {
  const users = decisions.flatMap((decision) => decision.user ?? []);
  const ids = (outcome: 'placed' | 'settled') =>
    decisions.flatMap((decision) => (decision.outcome === outcome ? decision.order.id : []));
  const placed = new Set(ids('placed'));
  const settled = ids('settled').filter((id) => !placed.has(id));
  const orders = (of: Iterable<number>) => [...of].map((id) => state.orders.get(id)!);
  if (users.length > 0) insertUsers(tx, users);
  if (placed.size > 0) insertOrders(tx, orders(placed));
  if (settled.length > 0) updateOrders(tx, orders(settled));
}

function insertUsers(tx: Tx, users: KnownUser[]): void {
  void tx`
    insert into known_users (id, locale)
    select * from unnest(${users.map((u) => u.id)}::bigint[], ${users.map((u) => u.locale)}::text[])`;
}

function insertOrders(tx: Tx, orders: Order[]): void {
  void tx`
    insert into orders (id, user_id, price, status, message, created_at)
    select * from unnest(
      ${orders.map((o) => o.id)}::bigint[], ${orders.map((o) => o.user_id)}::bigint[],
      ${orders.map((o) => o.price)}::bigint[], ${orders.map((o) => o.status)}::text[],
      ${orders.map((o) => o.message)}::text[], ${orders.map((o) => o.created_at)}::timestamptz[]
    )`;
}

function updateOrders(tx: Tx, orders: Order[]): void {
  const ids = orders.map((o) => o.id);
  void tx`
    update orders o set status = n.status, message = n.message
    from unnest(
      ${ids}::bigint[], ${orders.map((o) => o.status)}::text[], ${orders.map((o) => o.message)}::text[]
    ) as n (id, status, message)
    where o.id = n.id and o.id = any(${ids}::bigint[]) and o.status = 'pending'`;
}
