import type { Looks } from './audit/invariant.ts';
import { type ClientRecord, type Effects, violation } from './record.ts';

/** Compares what callers were told with what was done; answers each difference in words. */
export async function compare(looks: Looks, record: ClientRecord): Promise<string[]> {
  const effects = await readEffects(looks);
  const none: Effects = { transfers: 0, orders: [] };
  return record.entries.flatMap((entry) => {
    const { kind, user_id, amount, key } = entry.operation;
    const found = effects.get(nameOf(kind, user_id, amount)) ?? none;
    const wrong = violation(entry, found);
    return wrong ? [`${key} (${kind} of ${amount} by user ${user_id}) ${wrong}`] : [];
  });
}

async function readEffects(looks: Looks): Promise<Map<string, Effects>> {
  const effects = new Map<string, Effects>();
  const of = (kind: string, user_id: bigint, amount: bigint) => {
    const name = nameOf(kind, Number(user_id), Number(amount));
    const known = effects.get(name) ?? { transfers: 0, orders: [] };
    effects.set(name, known);
    return known;
  };
  const transfers = await looks['billing-service']<{ kind: string; user_id: bigint; amount: bigint }[]>`
    select kind, greatest(debit_account, credit_account) as user_id, amount from transfers`;
  for (const { kind, user_id, amount } of transfers) {
    of(kind === 'payment' ? 'order' : kind, user_id, amount).transfers += 1;
  }
  const letters = new Map<bigint, string[]>();
  const written = await looks['notification-service']<{ order_id: bigint; body: string }[]>`
    select order_id, body from notifications where order_id is not null`;
  for (const { order_id, body } of written) letters.set(order_id, [...(letters.get(order_id) ?? []), body]);
  const orders = await looks['order-service']<
    { id: bigint; user_id: bigint; price: bigint; status: string; message: string | null }[]
  >`select id, user_id, price, status, message from orders`;
  for (const { id, user_id, price, status, message } of orders) {
    of('order', user_id, price).orders.push({
      id: Number(id),
      status,
      message,
      letters: letters.get(id) ?? [],
    });
  }
  return effects;
}

function nameOf(kind: string, user_id: number, amount: number): string {
  return `${kind} ${user_id} ${amount}`;
}
