import type { Notification } from '@stream-processing/contracts/notifications.ts';
import { type Keyset, pageOf } from '@stream-processing/runtime/page.ts';
import type { Sql } from '@stream-processing/runtime/sql.ts';
import { fragment } from '@stream-processing/runtime/sql-query.ts';

interface Row {
  id: bigint;
  user_id: bigint;
  order_id: bigint | null;
  email: string;
  subject: string;
  body: string;
  created_at: Date;
}

/** undefined: the user is not known (yet). */
export async function listNotifications(sql: Sql, user_id: number, { after, descending, limit }: Keyset) {
  const rows = await sql<Row[]>`
    select * from notifications where user_id = ${user_id} and id ${descending ? fragment`<` : fragment`>`} ${after}
    order by id ${descending ? fragment`desc` : fragment`asc`} limit ${limit + 1}`;
  if (rows.length === 0 && !(await isKnown(sql, user_id))) return undefined;
  return pageOf(rows, limit, (row) => row.id, toNotification);
}

async function isKnown(sql: Sql, user_id: number): Promise<boolean> {
  const [row] = await sql`select 1 from known_users where id = ${user_id}`;
  return row !== undefined;
}

type Fields = Omit<Row, 'id' | 'user_id' | 'order_id'> & {
  id: bigint | number;
  user_id: bigint | number;
  order_id: bigint | number | null;
};

export function toNotification({
  id,
  user_id,
  order_id,
  email,
  subject,
  body,
  created_at,
}: Fields): Notification {
  return {
    id: Number(id),
    user_id: Number(user_id),
    order_id: order_id === null ? null : Number(order_id),
    email,
    subject,
    body,
    created_at: created_at.toISOString(),
  };
}
