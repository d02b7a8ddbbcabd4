/** Orders over HTTP; who places one waits for its final status, unless he prefers not to. */
import { Consistency, Exact, Id, List, PageQuery } from '@stream-processing/contracts/common.ts';
import { toMinor } from '@stream-processing/contracts/money.ts';
import { NewOrder, Order as WireOrder } from '@stream-processing/contracts/orders.ts';
import { Problem } from '@stream-processing/contracts/problems.ts';
import type { Room } from '@stream-processing/runtime/definition.ts';
import type { App } from '@stream-processing/runtime/http.ts';
import { keysetOf } from '@stream-processing/runtime/page.ts';
import {
  BODY_PROBLEMS,
  execute,
  IdempotencyHeaders,
  problems,
  send,
} from '@stream-processing/runtime/requests.ts';
import Type from 'typebox';
import type { Command, Decision, Order, State } from './decide.ts';
import { WAIT_DEFAULT, WAIT_MAX, waitOf } from './prefer.ts';
import { findOrder, listOrders, toWire } from './views.ts';
import { type Waiter, Waiters } from './waiters.ts';

const tags = ['orders'];
const consistency = Exact({ consistency: Consistency });

export function routes(app: App, room: Room<State, Command, Decision>): void {
  const waiters = new Waiters(room);
  room.refuseWhile(() => waiters.full);

  const create = {
    tags,
    operationId: 'placeOrder',
    summary: 'Place an order; the reply has its final status',
    description:
      `Waits up to ${WAIT_DEFAULT} s for the final status (\`Prefer: wait=N\`: up to ${WAIT_MAX} s; ` +
      '`Prefer: respond-async`: not at all). An order without money is a created resource too: 201 with status `failed`.',
    body: NewOrder,
    headers: Type.Object({ ...IdempotencyHeaders.properties, prefer: Type.Optional(Type.String()) }),
    response: {
      201: WireOrder,
      202: {
        description: 'Accepted and durable, not final yet: ask again at `Location`.',
        content: { 'application/json': { schema: WireOrder } },
      },
      ...problems('user_not_found', 'not_fresh', ...BODY_PROBLEMS),
    },
  };
  app.post('/orders', { schema: create }, async (request, response) => {
    const { user_id } = request.body;
    const { ms, applied } = waitOf(request.headers.prefer);
    let waiter: Waiter | undefined;
    try {
      const result = await execute(room, request, {
        command: { type: 'PlaceOrder', user_id, price: toMinor(request.body.price)!, now: new Date() },
        user_id,
        missing: 'user_not_found',
        // Kept as it is at that moment; a repetition is answered with what has become of the order.
        reply: ({ order }) => ({ status: 202, body: toWire(order!) }),
        decided({ outcome, order }) {
          waiter?.close();
          waiter = outcome === 'placed' && ms > 0 ? waiters.open(order) : undefined;
        },
      });
      const placed = result.reply.body as WireOrder;
      const final = result.replayed ? await finalOf(placed, ms) : await waiter?.wait(ms);
      response.header('location', `/orders/${placed.id}`);
      if (applied) response.header('preference-applied', applied);
      if (!final) response.header('retry-after', 1);
      const reply = final ? { status: 201, body: toWire(final) } : { status: 202, body: placed };
      return send(response, { reply, replayed: result.replayed });
    } finally {
      waiter?.close();
    }
  });

  async function finalOf(placed: WireOrder, ms: number): Promise<Order | undefined> {
    // Begin to wait before looking, so that a status that becomes final in between is not missed.
    const waiter = waiters.open(placed);
    const order = await findOrder(room.sql, placed.id).catch((error) => {
      waiter?.close();
      throw error;
    });
    if (order?.status === 'pending') return waiter?.wait(ms);
    waiter?.close();
    return order;
  }

  const read = {
    tags,
    operationId: 'getOrder',
    summary: 'One order',
    params: Exact({ id: Id }),
    querystring: consistency,
    response: { 200: WireOrder, ...problems('invalid_parameter', 'order_not_found', 'not_fresh') },
  };
  app.get('/orders/:id', { schema: read }, async (request) => {
    const { id } = request.params;
    let order = await findOrder(room.sql, id);
    if (!order) throw new Problem('order_not_found');
    // The reader may already have been told the result by its letter.
    if (order.status === 'pending' && request.query.consistency === 'fresh') {
      await room.freshFor(order.user_id);
      order = await findOrder(room.sql, id);
    }
    return toWire(order!);
  });

  const list = {
    tags,
    operationId: 'listOrders',
    summary: "A user's orders, by id",
    querystring: Exact({ user_id: Id, consistency: Consistency, ...PageQuery }),
    response: { 200: List(WireOrder), ...problems('invalid_parameter', 'user_not_found', 'not_fresh') },
  };
  app.get('/orders', { schema: list }, async (request) => {
    const { user_id, consistency, ...page } = request.query;
    const keyset = keysetOf(page);
    let found = await listOrders(room.sql, user_id, keyset);
    const undecided = !found || found.items.some((order) => order.status === 'pending');
    if (undecided && consistency === 'fresh') {
      await room.freshFor(user_id);
      found = await listOrders(room.sql, user_id, keyset);
    }
    if (!found) throw new Problem('user_not_found');
    return found;
  });
}
