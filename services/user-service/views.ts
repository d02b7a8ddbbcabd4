import type { Locale } from '@stream-processing/contracts/names.ts';
import type { User } from '@stream-processing/contracts/users.ts';
import type { Keyset } from '@stream-processing/runtime/page.ts';
import { pageOf } from '@stream-processing/runtime/page.ts';
import type { Sql } from '@stream-processing/runtime/sql.ts';
import { fragment } from '@stream-processing/runtime/sql-query.ts';

interface Row {
  id: bigint;
  email: string;
  name: string;
  locale: Locale;
  created_at: Date;
}

export async function findUser(sql: Sql, id: number): Promise<User | undefined> {
  const [row] = await sql<Row[]>`select * from users where id = ${id}`;
  return row && toUser(row);
}

export async function listUsers(sql: Sql, { after, descending, limit }: Keyset) {
  const rows = await sql<Row[]>`
    select * from users where id ${descending ? fragment`<` : fragment`>`} ${after}
    order by id ${descending ? fragment`desc` : fragment`asc`} limit ${limit + 1}`;
  return pageOf(rows, limit, (row) => row.id, toUser);
}

export function toUser({
  id,
  email,
  name,
  locale,
  created_at,
}: Omit<Row, 'id'> & { id: bigint | number }): User {
  return { id: Number(id), email, name, locale, created_at: created_at.toISOString() };
}
