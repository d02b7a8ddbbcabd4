import { Admission } from '@stream-processing/runtime/admission.ts';
import type { Room } from '@stream-processing/runtime/definition.ts';
import type { Command, Decision, Order, State } from './decide.ts';
import { findFinal } from './views.ts';

const WAITERS_MAX = 10_000;
/** Nothing decided for so long: billing is not slow but away. */
const AWAY_MS = 1000;

/**
 * Requests that wait for the final status of their order. This instance's own commits wake them; where other instances may have
 * settled some, one query asks for all waiting ids, never one query per request.
 */
export class Waiters {
  readonly #waiting = new Map<number, Set<(order: Order) => void>>();
  readonly #room: Room<State, Command, Decision>;
  readonly #admission = new Admission();
  #count = 0;
  #settledAt = Number.NEGATIVE_INFINITY;
  #asking = false;
  #askAgain = false;

  constructor(room: Room<State, Command, Decision>) {
    this.#room = room;
    room.onDecisions((decisions) => {
      const settled = decisions.flatMap((decision) => (decision.outcome === 'settled' ? decision.order : []));
      if (settled.length === 0) return;
      this.#admission.serve(settled.length);
      this.#settledAt = performance.now();
      for (const order of settled) this.#settle(order);
    });
    room.metrics.gauge(
      'order_waiters',
      'Requests that wait for the final status of their order.',
      [],
      (set) => set(this.#count),
    );
  }

  /**
   * More wait than billing decides in a moment: another order would only wait longer, so it is better refused. While
   * billing is away it decides nothing, and orders are taken all the same.
   */
  get full(): boolean {
    return this.#count >= this.#admission.limit && performance.now() - this.#settledAt < AWAY_MS;
  }

  /** Begins to wait, best before the order is committed; undefined when too many wait already. */
  open({ id, user_id }: Pick<Order, 'id' | 'user_id'>): Waiter | undefined {
    if (this.#count >= WAITERS_MAX) return undefined;
    const unwatch = this.#room.watch(user_id, this.#ask);
    const waiter = new Waiter(() => {
      if (this.#forget(id, waiter.wake)) unwatch();
    });
    const here = this.#waiting.get(id);
    if (here) here.add(waiter.wake);
    else this.#waiting.set(id, new Set([waiter.wake]));
    this.#count += 1;
    return waiter;
  }

  #settle(order: Order): void {
    for (const wake of this.#waiting.get(order.id) ?? []) wake(order);
  }

  /** False: it was forgotten already. */
  #forget(order_id: number, wake: (order: Order) => void): boolean {
    const here = this.#waiting.get(order_id);
    if (!here?.delete(wake)) return false;
    this.#count -= 1;
    if (here.size === 0) this.#waiting.delete(order_id);
    return true;
  }

  readonly #ask = (): void => {
    this.#askAgain = true;
    if (!this.#asking) void this.#askUntilDone();
  };

  async #askUntilDone(): Promise<void> {
    this.#asking = true;
    try {
      while (this.#askAgain && this.#waiting.size > 0) {
        // News of several partitions come one by one, but in one turn of the event loop.
        await new Promise(setImmediate);
        this.#askAgain = false;
        for (const order of await findFinal(this.#room.sql, [...this.#waiting.keys()])) this.#settle(order);
      }
    } catch (error) {
      // Asked again within half a second; at worst, waiting requests answer 202 when their time is up.
      this.#room.logger.warn({ err: error }, 'cannot ask for the orders that requests wait for');
    } finally {
      this.#asking = false;
    }
  }
}

/** One request's wait for one order. */
export class Waiter {
  readonly #close: () => void;
  #final: Order | undefined;
  #resolve: ((order: Order | undefined) => void) | undefined;

  constructor(close: () => void) {
    this.#close = close;
  }

  readonly wake = (order: Order): void => {
    this.#final = order;
    this.#resolve?.(order);
  };

  /** The final order, or undefined when it is not final in time. */
  async wait(ms: number): Promise<Order | undefined> {
    // By far the most are: the transaction that took the order settled it.
    if (!this.#final) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise((resolve) => {
        this.#resolve = resolve;
        timer = setTimeout(resolve, ms, undefined);
      });
      clearTimeout(timer);
    }
    this.close();
    return this.#final;
  }

  close(): void {
    this.#close();
  }
}
