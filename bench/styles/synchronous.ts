/**
 * The scenario by HTTP alone: order-service asks the others one after the other and answers when the last has answered.
 * Every step is committed where it happens; a call that fails leaves the order pending, and no one takes it up again.
 */
import { resultLetter } from '@stream-processing/contracts/letters.ts';
import { toMinor } from '@stream-processing/contracts/money.ts';
import { call, type Part, run } from './common.ts';
import {
  billing,
  check,
  LETTERS,
  type NewOrder,
  ORDER_SCHEMA,
  ORDERS,
  type User,
  users,
} from './services.ts';

interface NewLetter {
  user_id: number;
  order_id: number;
  email: string;
  subject: string;
  body: string;
}

const notifications: Part = {
  tables: LETTERS,
  start({ app, sql }) {
    app.post<{ Body: NewLetter }>('/notifications', async ({ body: letter }, reply) => {
      const [row] = await sql`
        insert into notifications (user_id, order_id, email, subject, body)
        values (${letter.user_id}, ${letter.order_id}, ${letter.email}, ${letter.subject}, ${letter.body})
        returning id::int`;
      return reply.code(201).send(row);
    });
  },
};

const orders: Part = {
  tables: ORDERS,
  start(room) {
    const { app, sql, urls } = room;
    app.post<{ Body: NewOrder }>('/orders', { schema: ORDER_SCHEMA }, async ({ body }, reply) => {
      const { user_id, price } = body;
      const minor = toMinor(price);
      if (!minor) return reply.code(400).send({ message: 'price has at most two decimals' });
      const created_at = new Date();
      const user = await call<User>('GET', `${urls['user-service']}/users/${user_id}`);
      const [row] = await sql`
        insert into orders (user_id, price, status, created_at)
        values (${user_id}, ${minor}, 'pending', ${created_at})
        returning id::int`;
      const id: number = row!.id;

      const withdrawal = { order_id: id, user_id, amount: Number(minor) };
      const { paid } = await call<{ paid: boolean }>(
        'POST',
        `${urls['billing-service']}/withdrawals`,
        withdrawal,
      );
      const letter = resultLetter(user.locale, { order_id: id, price: minor, currency: 'RUB', paid });
      await call('POST', `${urls['notification-service']}/notifications`, {
        user_id,
        order_id: id,
        email: user.email,
        ...letter,
      } satisfies NewLetter);

      const status = paid ? 'confirmed' : 'failed';
      await sql`
        update orders set status = ${status}, message = ${letter.body} where id = ${id} and status = 'pending'`;
      return reply.code(201).send({ id, user_id, price, status, message: letter.body, created_at });
    });
    check(room);
  },
};

await run(import.meta.filename, {
  'user-service': users,
  'billing-service': billing,
  'notification-service': notifications,
  'order-service': orders,
});
