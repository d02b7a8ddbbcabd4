/** Callers who order through the gateway while parts of it die, repeat what got no answer, and remember what they were told. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';

const ORIGIN = 'http://127.0.0.1';
const DEPOSIT = 90_000;
const PRICE = 3;
const REPLY_MS_MAX = 40_000;
const AGAIN_MS = 100;
const PAUSE_MS = 50;

interface Order {
  id: number;
  user_id: number;
  price: number;
  status: string;
  message: string;
}

export class Callers {
  readonly told: Order[] = [];
  readonly #users: number[] = [];
  readonly #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  /** Each caller has a user of its own with money. */
  async start(count: number): Promise<void> {
    for (let i = 0; i < count; i += 1) {
      const user = await send('POST', '/users', { email: `${randomUUID()}@example.org`, name: 'Caller' });
      await send('POST', `/accounts/${user.id}/deposit`, { amount: DEPOSIT });
      this.#users.push(user.id);
    }
    this.#running = Promise.all(this.#users.map((user_id) => this.#order(user_id)));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #order(user_id: number): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const order = await sendUntilAnswered('/orders', { user_id, price: PRICE }, randomUUID());
      this.told.push(order);
      // A part that starts again needs some of the machine too.
      await delay(PAUSE_MS);
    }
  }

  /** After `stop`: one order, one debit and one letter for everything that was told, nothing besides, and balanced books. */
  async check(): Promise<void> {
    for (const user_id of this.#users) {
      const [orders, letters] = await Promise.all([
        all<Order>(`/orders?user_id=${user_id}`),
        all<{ order_id: number; body: string }>(`/notifications?user_id=${user_id}`),
      ]);
      const mine = this.told.filter((order) => order.user_id === user_id);
      expect(orders.map((order) => order.id)).toEqual(mine.map((order) => order.id));
      expect(orders.map((order) => order.status)).toEqual(orders.map(() => 'confirmed'));
      // What was told as pending has been settled since.
      const lasting = mine.map((order, i) => (order.status === 'pending' ? orders[i] : order));
      expect(orders).toEqual(lasting);
      const byOrder = (a: { order_id: number }, b: { order_id: number }) => a.order_id - b.order_id;
      expect(letters.sort(byOrder).map(({ order_id, body }) => [order_id, body])).toEqual(
        orders.map(({ id, message }) => [id, message]),
      );
      const account = await send('GET', `/accounts/${user_id}`);
      expect(account.balance).toBe(DEPOSIT - PRICE * orders.length);
    }
    expect(await send('GET', '/trial-balance')).toMatchObject({ balanced: true, sum: 0 });
  }
}

/** The same request under its key until there is an answer that is not an invitation to repeat it. */
// biome-ignore lint/suspicious/noExplicitAny: what came is what the checks are about
async function sendUntilAnswered(path: string, body: object, key: string): Promise<any> {
  for (;;) {
    const answer = await attempt('POST', path, body, { 'idempotency-key': key }).catch(() => undefined);
    if (answer && answer.status < 500) {
      expect(answer.body, JSON.stringify(answer.body)).toHaveProperty('id');
      return answer.body;
    }
    await delay(AGAIN_MS);
  }
}

// biome-ignore lint/suspicious/noExplicitAny: what came is what the checks are about
export async function send(method: string, path: string, body?: object): Promise<any> {
  const answer = await attempt(method, path, body);
  if (answer.status >= 300)
    throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

async function attempt(method: string, path: string, body?: object, headers: Record<string, string> = {}) {
  const answer = await fetch(new URL(path, ORIGIN), {
    method,
    headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
    body: body ? JSON.stringify(body) : null,
    signal: AbortSignal.timeout(REPLY_MS_MAX),
  });
  return { status: answer.status, body: await answer.json() };
}

async function all<T>(path: string): Promise<T[]> {
  const items: T[] = [];
  for (let cursor = ''; ; ) {
    const page = await send('GET', `${path}&limit=1000${cursor}`);
    items.push(...page.items);
    if (page.next_cursor === null) return items;
    cursor = `&cursor=${encodeURIComponent(page.next_cursor)}`;
  }
}
