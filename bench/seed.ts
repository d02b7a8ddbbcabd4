import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Urls } from './installation.ts';

/** The ids of the users that the load is spread over, without gaps. */
export interface Users {
  first: number;
  last: number;
}

/** On each account at the start, in currency units: more than any run spends. */
export const BALANCE = 1_000_000;

const CALLERS = 64;
/** So many times the users that are asked for. */
const TRIES_MAX = 4;
const TRIES_503 = 40;
const TRY_MS = 500;

/**
 * Creates users through the API and puts money on their accounts, until `count` of them have ids without gaps: ids that
 * were drawn for a transaction that failed are not used again.
 */
export async function seed(urls: Urls, count: number, signal: AbortSignal): Promise<Users> {
  const ids: number[] = [];
  let begun = 0;
  const create = async (total: number) => {
    while (begun < total) {
      begun += 1;
      const user = { email: `user-${begun}@example.org`, name: `User ${begun}` };
      const { id } = await insist(`${urls['user-service']}/users`, user, signal);
      await insist(`${urls['billing-service']}/accounts/${id}/deposit`, { amount: BALANCE }, signal);
      ids.push(id!);
    }
  };
  for (;;) {
    const { first, last } = lastRun(ids);
    const missing = count - (last - first + 1);
    if (missing <= 0) return { first, last: first + count - 1 };
    if (begun > TRIES_MAX * count) throw new Error(`of ${begun} new users no ${count} have ids without gaps`);
    const total = begun + missing;
    await Promise.all(Array.from({ length: CALLERS }, () => create(total)));
  }
}

/** The newest ids that have no gap among them; `last` is below `first` where there are none. */
export function lastRun(ids: readonly number[]): Users {
  const descending = ids.toSorted((a, b) => b - a);
  const last = descending[0] ?? 0;
  const length = descending.findIndex((id, i) => id !== last - i);
  return { first: last - (length < 0 ? descending.length : length) + 1, last };
}

/** What is not known or not fresh for now is asked for again, by the same key. */
async function insist(url: string, body: object, signal: AbortSignal): Promise<{ id?: number }> {
  const key = randomUUID();
  for (let left = TRIES_503; ; left -= 1) {
    const reply = await post(url, body, signal, { 'idempotency-key': key }).catch((error) => {
      if (left > 0 && / 503 /.test(error.message)) return undefined;
      throw error;
    });
    if (reply) return reply;
    await delay(TRY_MS, undefined, { signal });
  }
}

export async function post(
  url: string,
  body: object,
  signal: AbortSignal,
  headers: Record<string, string> = {},
): Promise<{ id?: number; status?: string }> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
    signal,
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`POST ${url}: ${response.status} ${text}`);
  return JSON.parse(text);
}
