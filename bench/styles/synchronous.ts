/**
 * The scenario by HTTP alone: order-service asks the others one after the other and answers when the last has answered.
 * Every step is committed where it happens; a call that fails leaves the order pending, and no one takes it up again.
 */
import { call, type Part, run } from './common.ts';
import {
  billing,
  check,
  LETTERS,
  type NewOrder,
  NO_PRICE,
  ORDER_SCHEMA,
  ORDERS,
  placeAndPay,
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
      const placed = await placeAndPay(room, body);
      if (!placed) return reply.code(400).send(NO_PRICE);
      const { order, letter } = placed;
      await call('POST', `${urls['notification-service']}/notifications`, letter satisfies NewLetter);
      await sql`
        update orders set status = ${order.status}, message = ${order.message}
        where id = ${order.id} and status = 'pending'`;
      return reply.code(201).send(order);
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
