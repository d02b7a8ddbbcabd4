/** Orders, payments and letters, compared across the services by way of the logs: nothing here needs one database. */
import { resultLetter } from '@stream-processing/contracts/letters.ts';
import { LOCALES, type Locale } from '@stream-processing/contracts/names.ts';
import type { Tx } from '@stream-processing/runtime/sql.ts';
import { appliedBy, chunks, type Invariant, OFFENCES_MAX, removedFrom } from './invariant.ts';

interface Event {
  partition: number;
  position: bigint;
  type: string;
  order_id: bigint;
  user_id: bigint;
  price: bigint;
  currency: string;
}

type Asked = Pick<Event, 'order_id' | 'user_id' | 'price' | 'currency'>;

interface Order {
  id: bigint;
  user_id: bigint;
  price: bigint;
  status: string;
  message: string | null;
}

export const ORDERS: Invariant[] = [
  {
    name: 'every order was placed once, and every placed order is there',
    async look(looks) {
      const tx = looks['order-service'];
      const offences: object[] = await repeated(tx);
      let placed = await removedFrom(looks, 'order-service', 'order-service');
      for await (const events of eventsOf(tx)) {
        placed += events.length;
        const orders = await ordersOf(tx, events);
        for (const event of events) {
          const order = orders.get(event.order_id);
          if (order?.user_id !== event.user_id || order.price !== event.price)
            offences.push({ event, order });
        }
      }
      const [counted] = await tx<{ orders: number }[]>`select count(*)::int as orders from orders`;
      if (counted!.orders !== placed) offences.push({ orders_more_than_placed: counted!.orders - placed });
      return { looked: `${counted!.orders} orders`, offences };
    },
  },
  {
    name: 'every decided order has exactly one debit, or one refusal and no debit',
    async look(looks) {
      const { 'billing-service': billing, 'order-service': orders } = looks;
      const offences: object[] = await repeated(billing);
      let decided = 0;
      let completed = 0;
      for await (const events of eventsOf(billing)) {
        decided += events.length;
        const payments = await paymentsOf(billing, events);
        const known = await ordersOf(orders, events);
        for (const event of events) {
          const payment = payments.get(event.order_id);
          const order = known.get(event.order_id);
          const paid = event.type === 'PaymentCompleted';
          if (paid) completed += 1;
          const agrees =
            order?.user_id === event.user_id &&
            order.price === event.price &&
            (paid
              ? payment?.debit_account === event.user_id && payment.amount === event.price
              : payment === undefined);
          if (!agrees) offences.push({ event, payment, order });
        }
      }
      const [counted] = await billing<{ payments: number }[]>`
        select count(*)::int as payments from transfers where kind = 'payment'`;
      // What was removed told of debits and of refusals: of how many each is not kept.
      const removed = await removedFrom(looks, 'billing-service', 'billing-service');
      const more = counted!.payments - completed;
      if (more < 0 || more > removed) offences.push({ debits_more_than_completed: more, removed });
      return { looked: `${decided} decided orders`, offences };
    },
  },
  {
    name: 'every order has the status that its debit or refusal gives it, and a message that says so',
    async look(looks) {
      const { 'billing-service': billing, 'order-service': orders } = looks;
      const isApplied = await appliedBy(looks, 'order-service', 'billing-service');
      const offences: object[] = [];
      let final = await removedFrom(looks, 'billing-service', 'order-service');
      for await (const events of eventsOf(billing)) {
        const [known, locales] = [await ordersOf(orders, events), await localesOf(orders, events)];
        for (const event of events) {
          const order = known.get(event.order_id);
          const applied = isApplied(event);
          if (applied) final += 1;
          const paid = event.type === 'PaymentCompleted';
          const expected = applied ? (paid ? 'confirmed' : 'failed') : 'pending';
          const message = applied ? letterOf({ ...event, paid }, locales)?.body : null;
          if (order?.status !== expected || order.message !== message) {
            offences.push({ event, order, expected, message });
          }
        }
      }
      const [counted] = await orders<{ final: number }[]>`
        select count(*)::int as final from orders where status <> 'pending'`;
      if (counted!.final !== final) offences.push({ final_orders_more_than_decided: counted!.final - final });
      return { looked: `${final} final orders`, offences };
    },
  },
  {
    name: 'every decided order has exactly one letter, which tells the truth in the words of its message',
    async look(looks) {
      const { 'billing-service': billing, 'notification-service': notifications } = looks;
      const isApplied = await appliedBy(looks, 'notification-service', 'billing-service');
      const offences: object[] = [];
      let written = await removedFrom(looks, 'billing-service', 'notification-service');
      for await (const events of eventsOf(billing)) {
        const [letters, locales, emails] = [
          await lettersOf(notifications, events),
          await localesOf(notifications, events),
          await emailsOf(notifications, events),
        ];
        for (const event of events) {
          const letter = letters.get(event.order_id);
          const applied = isApplied(event);
          if (applied) written += 1;
          const paid = event.type === 'PaymentCompleted';
          const { subject, body } = (applied && letterOf({ ...event, paid }, locales)) || {};
          const [user_id, email] = applied ? [event.user_id, emails.get(event.user_id)] : [];
          const expected = { user_id, email, subject, body };
          const isSo = (Object.keys(expected) as (keyof typeof expected)[]).every(
            (field) => letter?.[field] === expected[field],
          );
          if (!isSo) offences.push({ event, letter, expected });
        }
      }
      const [counted] = await notifications<{ letters: number }[]>`
        select count(*)::int as letters from notifications where order_id is not null`;
      if (counted!.letters !== written)
        offences.push({ letters_more_than_decisions: counted!.letters - written });
      return { looked: `${counted!.letters} letters`, offences };
    },
  },
  {
    // Also where the events that said so went, being old.
    name: 'every order agrees with its own payment and its own letter',
    async look({ 'order-service': tx, 'billing-service': billing, 'notification-service': notifications }) {
      const [{ currency }] =
        (await tx`select value as currency from installation where setting = 'currency'`) as [
          { currency: string },
        ];
      const offences: object[] = [];
      let looked = 0;
      for await (const orders of allOrders(tx)) {
        looked += orders.length;
        const asked = orders.map(({ id, user_id, price }) => ({ order_id: id, user_id, price, currency }));
        const payments = await paymentsOf(billing, asked);
        const [letters, locales] = [
          await lettersOf(notifications, asked),
          await localesOf(notifications, asked),
        ];
        for (const [i, order] of orders.entries()) {
          const payment = payments.get(order.id);
          const letter = letters.get(order.id);
          // Billing is seen last: what anybody says of a decision it holds.
          const isPaid = payment?.debit_account === order.user_id && payment.amount === order.price;
          const agrees =
            (order.status === 'pending' || (order.status === 'confirmed' ? isPaid : !payment)) &&
            (!letter ||
              letter.body === letterOf({ ...asked[i]!, paid: payment !== undefined }, locales)?.body);
          if (!agrees) offences.push({ order, payment, letter });
        }
      }
      return { looked: `${looked} orders`, offences };
    },
  },
  {
    name: 'no order is pending',
    atRest: true,
    async look({ 'order-service': tx }) {
      const [counted] = await tx<{ orders: number }[]>`select count(*)::int as orders from orders`;
      const offences = await tx`
        select id, user_id, created_at from orders where status = 'pending' order by id limit ${OFFENCES_MAX}`;
      return { looked: `${counted!.orders} orders`, offences };
    },
  },
];

/** The events of a log that speak of orders, in order of partition and position. */
function eventsOf(tx: Tx): AsyncIterable<Event[]> {
  return chunks<Event>(
    (after, limit) => tx<Event[]>`
      select partition, position, type, user_id, (data->>'order_id')::bigint as order_id,
        (data->>'price')::bigint as price, data->>'currency' as currency
      from log where (partition, position) > (${after?.partition ?? -1}::int, ${after?.position ?? 0n}::bigint)
      order by partition, position limit ${limit}`,
  );
}

function allOrders(tx: Tx): AsyncIterable<Order[]> {
  return chunks<Order>(
    (after, limit) => tx<Order[]>`
      select id, user_id, price, status, message from orders where id > ${after?.id ?? 0n}::bigint
      order by id limit ${limit}`,
  );
}

/** Orders of which this log speaks more than once. */
function repeated(tx: Tx): Promise<object[]> {
  return tx`
    select data->>'order_id' as order_id, count(*) as events from log
    group by 1 having count(*) > 1 order by 1 limit ${OFFENCES_MAX}`;
}

const idsOf = (events: Asked[]) => events.map((event) => event.order_id);

async function ordersOf(tx: Tx, events: Event[]): Promise<Map<bigint, Order>> {
  const rows = await tx<Order[]>`
    select id, user_id, price, status, message from orders where id = any(${idsOf(events)}::bigint[])`;
  return new Map(rows.map((row) => [row.id, row]));
}

async function paymentsOf(tx: Tx, events: Asked[]) {
  const rows = await tx<{ order_id: bigint; debit_account: bigint; amount: bigint }[]>`
    select order_id, debit_account, amount from transfers
    where kind = 'payment' and order_id = any(${idsOf(events)}::bigint[])`;
  return new Map(rows.map((row) => [row.order_id, row]));
}

async function lettersOf(tx: Tx, events: Asked[]) {
  const rows = await tx<
    { order_id: bigint; user_id: bigint; email: string; subject: string; body: string }[]
  >`
    select order_id, user_id, email, subject, body from notifications where order_id = any(${idsOf(events)}::bigint[])`;
  return new Map(rows.map((row) => [row.order_id, row]));
}

async function localesOf(tx: Tx, events: Asked[]): Promise<Map<bigint, Locale>> {
  const rows = await tx<{ id: bigint; locale: Locale }[]>`
    select id, locale from known_users where id = any(${events.map((event) => event.user_id)}::bigint[])`;
  return new Map(rows.map(({ id, locale }) => [id, locale]));
}

async function emailsOf(tx: Tx, events: Event[]): Promise<Map<bigint, string>> {
  const rows = await tx<{ id: bigint; email: string }[]>`
    select id, email from known_users where id = any(${events.map((event) => event.user_id)}::bigint[])`;
  return new Map(rows.map(({ id, email }) => [id, email]));
}

function letterOf(
  { order_id, user_id, price, currency, paid }: Asked & { paid: boolean },
  locales: Map<bigint, Locale>,
) {
  const locale = locales.get(user_id);
  if (!locale || !LOCALES.includes(locale)) return undefined;
  return resultLetter(locale, { order_id: Number(order_id), price, currency, paid });
}
