/** The services and tables that are the same in both styles: users, billing, and where orders and letters are kept. */
import { setTimeout as delay } from 'node:timers/promises';
import { resultLetter } from '@stream-processing/contracts/letters.ts';
import { toMinor } from '@stream-processing/contracts/money.ts';
import { call, type Part, type Room } from './common.ts';

export interface User {
  id: number;
  email: string;
  locale: 'ru' | 'en';
}

export const users: Part = {
  tables:
    'create table users (id bigint primary key, email text not null, name text not null, locale text not null)',
  async start({ app, sql, users }) {
    await sql`
      insert into users (id, email, name, locale)
      select id, 'user' || id || '@example.org', 'User ' || id, 'ru' from generate_series(1, ${users}::int) as id`;
    app.get<{ Params: { id: number } }>('/users/:id', async ({ params }, reply) => {
      const [user] = await sql`select id::int, email, name, locale from users where id = ${params.id}`;
      return user ?? reply.code(404).send({ message: 'no such user' });
    });
  },
};

/** Minor units. */
const BALANCE = 100_000_000;

export interface Withdrawal {
  order_id: number;
  user_id: number;
  /** Minor units. */
  amount: number;
}

export const billing: Part = {
  tables: `
    create table accounts (
      user_id bigint primary key,
      balance bigint not null check (balance >= 0)
    ) with (fillfactor = 70);
    create table transfers (
      id         bigint      generated always as identity primary key,
      order_id   bigint      not null unique,
      user_id    bigint      not null,
      amount     bigint      not null check (amount > 0),
      balance    bigint      not null,
      created_at timestamptz not null default now()
    );
    create index transfers_of_user on transfers (user_id, id)`,
  async start({ app, sql, users }) {
    await sql`
      insert into accounts (user_id, balance)
      select id, ${BALANCE} from generate_series(1, ${users}::int) as id`;
    app.post<{ Body: Withdrawal }>('/withdrawals', async ({ body: { order_id, user_id, amount } }) => {
      // One statement, one transaction: the row's lock and the condition leave no room for a lost or a second debit.
      const [transfer] = await sql`
        with debited as (
          update accounts set balance = balance - ${amount}::bigint
          where user_id = ${user_id} and balance >= ${amount}::bigint
          returning balance
        )
        insert into transfers (order_id, user_id, amount, balance)
        select ${order_id}, ${user_id}, ${amount}::bigint, balance from debited
        returning id`;
      return { paid: transfer !== undefined };
    });
  },
};

export const ORDERS = `
  create table orders (
    id         bigint      generated always as identity primary key,
    user_id    bigint      not null,
    price      bigint      not null check (price > 0),
    status     text        not null check (status in ('pending', 'confirmed', 'failed')),
    message    text        check ((status = 'pending') = (message is null)),
    created_at timestamptz not null
  ) with (fillfactor = 70);
  create index orders_of_user on orders (user_id, id);`;

export const LETTERS = `
  create table notifications (
    id         bigint      generated always as identity primary key,
    user_id    bigint      not null,
    order_id   bigint      not null unique,
    email      text        not null,
    subject    text        not null,
    body       text        not null,
    created_at timestamptz not null default now()
  );
  create index notifications_of_user on notifications (user_id, id);`;

export interface NewOrder {
  user_id: number;
  price: number;
}

/** What both styles begin with: the user by HTTP, the pending order, the money by HTTP. Undefined: not a price. */
export async function placeAndPay({ sql, urls }: Room, { user_id, price }: NewOrder) {
  const minor = toMinor(price);
  if (!minor) return undefined;
  const created_at = new Date();
  const user = await call<User>('GET', `${urls['user-service']}/users/${user_id}`);
  const [row] = await sql`
    insert into orders (user_id, price, status, created_at)
    values (${user_id}, ${minor}, 'pending', ${created_at})
    returning id::int`;
  const id: number = row!.id;
  const withdrawal: Withdrawal = { order_id: id, user_id, amount: Number(minor) };
  const { paid } = await call<{ paid: boolean }>(
    'POST',
    `${urls['billing-service']}/withdrawals`,
    withdrawal,
  );
  const letter = resultLetter(user.locale, { order_id: id, price: minor, currency: 'RUB', paid });
  const order = {
    id,
    user_id,
    price,
    status: paid ? 'confirmed' : 'failed',
    message: letter.body,
    created_at,
  };
  return { order, letter: { user_id, order_id: id, email: user.email, ...letter } };
}

export const NO_PRICE = { message: 'price has at most two decimals' };

/** Fastify's validation and serialization of `POST /orders`. */
export const ORDER_SCHEMA = {
  body: {
    type: 'object',
    required: ['user_id', 'price'],
    additionalProperties: false,
    properties: {
      user_id: { type: 'integer', minimum: 1 },
      price: { type: 'number', exclusiveMinimum: 0 },
    },
  },
  response: {
    201: {
      type: 'object',
      properties: {
        id: { type: 'integer' },
        user_id: { type: 'integer' },
        price: { type: 'number' },
        status: { type: 'string' },
        message: { type: 'string' },
        created_at: { type: 'string' },
      },
    },
  },
};

const CHECK_MS_MAX = 20_000;

/**
 * `GET /check` for the benchmark: waits until every order has its status, its letter and, if confirmed, its debit, then
 * tells the counts. Reads all schemas, which no service otherwise does.
 */
export function check({ app, sql, users }: Room): void {
  const count = async () => {
    const [row] = await sql`
      select (select count(*) from orders)::int as orders,
        (select count(*) from orders where status = 'pending')::int as pending,
        (select count(*) from orders where status = 'confirmed')::int as confirmed,
        (select count(*) from billing_service.transfers)::int as debits,
        (select count(*) from notification_service.notifications)::int as letters,
        (select sum(balance) from billing_service.accounts)::float8 as held,
        (select coalesce(sum(amount), 0) from billing_service.transfers)::float8 as paid`;
    const { orders, pending, confirmed, debits, letters, held, paid } = row!;
    const complete = pending === 0 && letters === orders && debits === confirmed;
    return { orders, debits, letters, balanced: complete && held + paid === users * BALANCE };
  };
  app.get('/check', async () => {
    const deadline = performance.now() + CHECK_MS_MAX;
    let counts = await count();
    while (!counts.balanced && performance.now() < deadline) {
      await delay(200);
      counts = await count();
    }
    return counts;
  });
}
