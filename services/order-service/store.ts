import type { Locale } from '@stream-processing/contracts/names.ts';
import { nextIds } from '@stream-processing/runtime/ids.ts';
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

export function work(): Work<State, Command, Decision> {
  const users = new KeptRows<KnownUser>();
  return { load: (tx, commands) => load(tx, commands, users), decide, apply, save };
}

async function load(tx: Tx, commands: Command[], known: KeptRows<KnownUser>): Promise<State> {
  const placed = commands.filter((command) => command.type === 'PlaceOrder');
  const settled = commands.filter((command) => command.type === 'SettleOrder');
  const wanted = [...placed, ...settled].map((command) => command.user_id);
  const [users, orders, ids] = await Promise.all([
    known.find(wanted, (missing) => findUsers(tx, missing)),
    settled.length === 0
      ? []
      : tx<OrderRow[]>`
          select * from orders where id = any(${settled.map((command) => command.result.order_id)}::bigint[])
          order by id for update`,
    nextIds<Command>(tx, 'order_id', placed),
  ]);
  return {
    users,
    orders: new Map(orders.map((row) => [Number(row.id), toOrder(row)])),
    ids,
  };
}

async function findUsers(tx: Tx, ids: number[]): Promise<KnownUser[]> {
  const rows = await tx<
    { id: bigint; locale: Locale }[]
  >`select * from known_users where id = any(${ids}::bigint[])`;
  return rows.map((row) => ({ id: Number(row.id), locale: row.locale }));
}

function save(tx: Tx, _state: State, decisions: Decision[]): void {
  const users = decisions.flatMap((decision) => decision.user ?? []);
  const placed = decisions.flatMap((decision) => (decision.outcome === 'placed' ? decision.order : []));
  const settled = decisions.flatMap((decision) => (decision.outcome === 'settled' ? decision.order : []));
  if (users.length > 0) insertUsers(tx, users);
  if (placed.length > 0) insertOrders(tx, placed);
  if (settled.length > 0) updateOrders(tx, settled);
}

function insertUsers(tx: Tx, users: KnownUser[]): void {
  void tx`
    insert into known_users (id, locale)
    select * from unnest(${users.map((u) => u.id)}::bigint[], ${users.map((u) => u.locale)}::text[])`;
}

function insertOrders(tx: Tx, orders: Order[]): void {
  void tx`
    insert into orders (id, user_id, price, status, created_at)
    select * from unnest(
      ${orders.map((o) => o.id)}::bigint[], ${orders.map((o) => o.user_id)}::bigint[],
      ${orders.map((o) => o.price)}::bigint[], ${orders.map((o) => o.status)}::text[],
      ${orders.map((o) => o.created_at)}::timestamptz[]
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
