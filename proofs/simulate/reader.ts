/** What a caller reads about its user, at whichever instance, and what has to be so whenever it is read. */
import type { Asker, Call } from './asker.ts';
import type { World } from './world.ts';

/** Where the result of an order is told. */
export const PLACES = ['order', 'orders', 'letters', 'statement'] as const;
export type Place = (typeof PLACES)[number];
/** `failed` is told by no statement. */
export type Result = 'confirmed' | 'failed';

interface Transfer {
  kind: string;
  amount: number;
  balance: number;
  sequence: number;
  order_id: number | null;
}

const PAGE = { consistency: 'fresh', order: 'asc', limit: 100 };
/** So that a statement has several pages. */
const STATEMENT_PAGE = 3;

export class Reader {
  readonly #world: World;
  readonly #asker: Asker;
  readonly #user_id: number;

  constructor(world: World, asker: Asker, user_id: number) {
    this.#world = world;
    this.#asker = asker;
    this.#user_id = user_id;
  }

  /** Minor units. */
  async balance(): Promise<number> {
    const { balance } = await this.#get('billing-service', '/accounts/:user_id', { consistency: 'fresh' });
    return minor(balance);
  }

  /** The bodies of the letters about an order. */
  async letters(id: number | undefined): Promise<string[]> {
    const { items } = await this.#get('notification-service', '/notifications', {
      user_id: this.#user_id,
      ...PAGE,
    });
    return items
      .filter((letter: { order_id: number }) => letter.order_id === id)
      .map((letter: { body: string }) => letter.body);
  }

  /** undefined: it is not told there. */
  async resultAt(place: Place, { id, message }: { id: number; message: (result: Result) => string }) {
    switch (place) {
      case 'order':
        return finalOf(await this.#get('order-service', '/orders/:id', { consistency: 'fresh' }, { id }));
      case 'orders': {
        const { items } = await this.#get('order-service', '/orders', { user_id: this.#user_id, ...PAGE });
        return finalOf(items.find((order: { id: number }) => order.id === id));
      }
      case 'letters': {
        const [letter] = await this.letters(id);
        return (['confirmed', 'failed'] as const).find((result) => message(result) === letter);
      }
      case 'statement':
        return (await this.statement()).some(({ order_id }) => order_id === id) ? 'confirmed' : undefined;
    }
  }

  /** Page by page: transfer after transfer without a gap, each with the balance that it leaves. */
  async statement(): Promise<Transfer[]> {
    const read: Transfer[] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page = await this.#get('billing-service', '/accounts/:user_id/transfers', {
        ...PAGE,
        limit: STATEMENT_PAGE,
        ...(cursor ? { cursor } : {}),
      });
      read.push(...page.items);
      cursor = page.next_cursor;
    }
    let balance = 0;
    for (const [i, transfer] of read.entries()) {
      balance += (transfer.kind === 'deposit' ? 1 : -1) * minor(transfer.amount);
      if (transfer.sequence !== i + 1 || minor(transfer.balance) !== balance)
        this.#world.violation(
          `transfer ${i + 1} of user ${this.#user_id} should leave ${balance}, and is told as ${JSON.stringify(transfer)}`,
        );
    }
    return read;
  }

  /** At any time. */
  async books(): Promise<void> {
    const books = await this.#get('billing-service', '/trial-balance', {});
    if (!books.balanced || minor(books.sum) !== 0)
      this.#world.violation(`the trial balance is told as ${JSON.stringify(books)}`);
  }

  // biome-ignore lint/suspicious/noExplicitAny: the body is what the route says
  async #get(service: Call[0], path: string, query: object, params: object = {}): Promise<any> {
    const request = { id: `read ${path}`, query, params: { user_id: this.#user_id, ...params } };
    return (await this.#asker.insist(service, 'GET', path, request)).body;
  }
}

function finalOf(order: { status: string } | undefined): Result | undefined {
  return order === undefined || order.status === 'pending' ? undefined : (order.status as Result);
}

function minor(amount: number): number {
  return Math.round(amount * 100);
}
