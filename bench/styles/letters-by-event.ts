/**
 * The scenario by HTTP, with the letter by event: order-service asks for the user and the money as in synchronous.ts,
 * then writes the order's status and the letter to be (a row of `outbox`) in one transaction and answers. The
 * notification service, another process, moves such rows to its own table.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Sql } from '@stream-processing/runtime/sql.ts';
import { type Part, run } from './common.ts';
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

const OUTBOX = `
  create table outbox (
    id       bigint generated always as identity primary key,
    order_id bigint not null,
    user_id  bigint not null,
    email    text   not null,
    subject  text   not null,
    body     text   not null
  );`;

const BATCH_MAX = 500;
const POLL_MS = 10;

const notifications: Part = {
  tables: LETTERS,
  start({ sql }) {
    // A failure here is nothing to live on with: it ends the process, and the parent with it.
    void relay(sql);
  },
};

/** Moves rows from order-service's outbox to this service's letters; in one transaction, so exactly once. */
async function relay(sql: Sql): Promise<never> {
  // The outbox appears when order-service starts, after this service.
  while (!(await exists(sql))) await delay(POLL_MS);
  for (;;) {
    const moved = await sql`
      with taken as (
        delete from order_service.outbox
        where id = any(array(
          select id from order_service.outbox order by id limit ${BATCH_MAX} for update skip locked
        ))
        returning order_id, user_id, email, subject, body
      )
      insert into notifications (order_id, user_id, email, subject, body)
      select order_id, user_id, email, subject, body from taken
      returning id`;
    if (moved.length < BATCH_MAX) await delay(POLL_MS);
  }
}

async function exists(sql: Sql): Promise<boolean> {
  const [row] = await sql`select to_regclass('order_service.outbox') is not null as there`;
  return row!.there;
}

const orders: Part = {
  tables: ORDERS + OUTBOX,
  start(room) {
    const { app, sql } = room;
    app.post<{ Body: NewOrder }>('/orders', { schema: ORDER_SCHEMA }, async ({ body }, reply) => {
      const placed = await placeAndPay(room, body);
      if (!placed) return reply.code(400).send(NO_PRICE);
      const { order, letter } = placed;
      await sql`
        with settled as (
          update orders set status = ${order.status}, message = ${order.message}
          where id = ${order.id} and status = 'pending'
          returning id
        )
        insert into outbox (order_id, user_id, email, subject, body)
        select id, ${letter.user_id}, ${letter.email}, ${letter.subject}, ${letter.body} from settled`;
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
