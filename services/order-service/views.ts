import { fromMinor } from '@stream-processing/contracts/money.ts';
import type { Order as WireOrder } from '@stream-processing/contracts/orders.ts';
import { type Keyset, pageOf } from '@stream-processing/runtime/page.ts';
import type { Sql } from '@stream-processing/runtime/sql.ts';
import { fragment } from '@stream-processing/runtime/sql-query.ts';
import type { Order } from './decide.ts';
import { type OrderRow, toOrder } from './rows.ts';

export async function findOrder(sql: Sql, id: number): Promise<Order | undefined> {
  const [row] = await sql<OrderRow[]>`select * from orders where id = ${id}`;
  return row && toOrder(row);
}

/** Those of the given orders that are not pending any more. */
export async function findFinal(sql: Sql, ids: number[]): Promise<Order[]> {
  const rows = await sql<
    OrderRow[]
  >`select * from orders where id = any(${ids}::bigint[]) and status <> 'pending'`;
  return rows.map(toOrder);
}

/** undefined: the user is not known (yet). */
export async function listOrders(sql: Sql, user_id: number, { after, descending, limit }: Keyset) {
  const rows = await sql<OrderRow[]>`
    select * from orders where user_id = ${user_id} and id ${descending ? fragment`<` : fragment`>`} ${after}
    order by id ${descending ? fragment`desc` : fragment`asc`} limit ${limit + 1}`;
  if (rows.length === 0) {
    const [known] = await sql`select 1 from known_users where id = ${user_id}`;
    if (!known) return undefined;
  }
  return pageOf(
    rows,
    limit,
    (row) => row.id,
    (row) => toWire(toOrder(row)),
  );
}

export function toWire({ id, user_id, price, status, message, created_at }: Order): WireOrder {
  return { id, user_id, price: fromMinor(price), status, message, created_at: created_at.toISOString() };
}
