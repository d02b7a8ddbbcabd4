/** What a client knows for sure: what it asked for, and what it was told. The installation is compared with it. */

export type Kind = 'order' | 'deposit' | 'withdrawal';

/** Money in minor units. Each operation of a user has an amount of its own, by which its effect is found again. */
export interface Operation {
  key: string;
  kind: Kind;
  user_id: number;
  amount: number;
}

/**
 * `done`: answered by 2xx, with the effect as `result` says. `accepted`: an order that is durable, whose result nobody waited
 * for. `refused`: answered that nothing was done. `unknown`: no answer, or one that says that it cannot be told.
 */
export type Outcome =
  | { kind: 'done'; paid: boolean; id?: number; message?: string | null }
  | { kind: 'accepted'; id: number }
  | { kind: 'refused'; code: string }
  | { kind: 'unknown'; why: string };

export interface Entry {
  operation: Operation;
  outcome: Outcome;
}

export class ClientRecord {
  readonly entries: Entry[] = [];

  add(operation: Operation, outcome: Outcome): void {
    this.entries.push({ operation, outcome });
  }

  count(kind: Outcome['kind']): number {
    return this.entries.filter(({ outcome }) => outcome.kind === kind).length;
  }
}

/** What the installation did, found by user and amount. */
export interface Effects {
  /** Transfers of this kind, user and amount. */
  transfers: number;
  /** Orders of this user and price, with their letters. */
  orders: { id: number; status: string; message: string | null; letters: string[] }[];
}

/** What is wrong with an entry, seen against what was done; undefined: nothing. */
export function violation({ operation, outcome }: Entry, { transfers, orders }: Effects): string | undefined {
  const { kind } = operation;
  const effects = kind === 'order' ? orders.length : transfers;
  if (effects > 1) return `happened ${effects} times`;
  if (kind === 'order' && orders.length === 1) {
    const [order] = orders;
    const paid = order!.status === 'confirmed';
    if (transfers !== (paid ? 1 : 0)) return `the order is ${order!.status}, but has ${transfers} debits`;
    if (order!.letters.length !== 1 || order!.letters[0] !== order!.message) {
      return `the letters ${JSON.stringify(order!.letters)} are not the one message ${JSON.stringify(order!.message)}`;
    }
  }
  switch (outcome.kind) {
    case 'refused':
      return effects === 0 ? undefined : `was refused (${outcome.code}), but happened`;
    case 'unknown':
      return undefined;
    case 'accepted': {
      const [order] = orders;
      if (!order) return 'was accepted, but is not there';
      return order.id === outcome.id ? undefined : `was accepted as order ${outcome.id}, but is ${order.id}`;
    }
    case 'done': {
      if (kind !== 'order')
        return transfers === (outcome.paid ? 1 : 0) ? undefined : 'was told otherwise than it happened';
      const [order] = orders;
      if (!order) return 'was acknowledged, but is not there';
      if (order.id !== outcome.id) return `was told as order ${outcome.id}, but is ${order.id}`;
      const told = outcome.paid ? 'confirmed' : 'failed';
      if (order.status !== told || order.message !== outcome.message)
        return `was told as ${told}, but is ${order.status}`;
      return undefined;
    }
  }
}
