import type { Looks } from './audit/invariant.ts';
import { type ClientRecord, type Effects, type Entry, violation } from './record.ts';

/** The effects of so many entries are held in memory at once, unless a single user has more. */
const ENTRIES_MAX = 50_000;

/** Compares what callers were told with what was done; answers each difference in words. */
export async function compare(looks: Looks, record: ClientRecord): Promise<string[]> {
  const wrong: string[] = [];
  for (const entries of byUsers(record)) {
    const effects = await readEffects(looks, [...new Set(entries.map(({ operation }) => operation.user_id))]);
    wrong.push(...entries.flatMap((entry) => difference(entry, effects)));
    const asked = new Set(
      entries.map(({ operation: { kind, user_id, amount } }) => nameOf(kind, user_id, amount)),
    );
    for (const name of effects.keys())
      if (!asked.has(name)) wrong.push(`${name} happened, and nobody asked for it`);
  }
  return wrong;
}

/** All entries of some users, then all of some others. */
function* byUsers(record: ClientRecord): Iterable<Entry[]> {
  let some: Entry[] = [];
  for (const entries of Map.groupBy(record.entries, ({ operation }) => operation.user_id).values()) {
    if (some.length > 0 && some.length + entries.length > ENTRIES_MAX) {
      yield some;
      some = [];
    }
    some = some.concat(entries);
  }
  yield some;
}

function difference(entry: Entry, effects: Map<string, Effects>): string[] {
  const { kind, user_id, amount, key } = entry.operation;
  const found = effects.get(nameOf(kind, user_id, amount)) ?? { transfers: 0, orders: [] };
  const wrong = violation(entry, found);
  return wrong ? [`${key} (${kind} of ${amount} by user ${user_id}) ${wrong}`] : [];
}

async function readEffects(looks: Looks, user_ids: number[]): Promise<Map<string, Effects>> {
  const effects = new Map<string, Effects>();
  const of = (kind: string, user_id: bigint, amount: bigint) => {
    const name = nameOf(kind, Number(user_id), Number(amount));
    const known = effects.get(name) ?? { transfers: 0, orders: [] };
    effects.set(name, known);
    return known;
  };
  const transfers = await looks['billing-service']<{ kind: string; user_id: bigint; amount: bigint }[]>`
    select kind, greatest(debit_account, credit_account) as user_id, amount from transfers
    where debit_account = any(${user_ids}::bigint[]) or credit_account = any(${user_ids}::bigint[])`;
  for (const { kind, user_id, amount } of transfers) {
    of(kind === 'payment' ? 'order' : kind, user_id, amount).transfers += 1;
  }
  const letters = new Map<bigint, string[]>();
  const written = await looks['notification-service']<{ order_id: bigint; body: string }[]>`
    select order_id, body from notifications
    where user_id = any(${user_ids}::bigint[]) and order_id is not null`;
  for (const { order_id, body } of written) letters.set(order_id, [...(letters.get(order_id) ?? []), body]);
  const orders = await looks['order-service']<
    { id: bigint; user_id: bigint; price: bigint; status: string; message: string | null }[]
  >`select id, user_id, price, status, message from orders where user_id = any(${user_ids}::bigint[])`;
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
