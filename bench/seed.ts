import type { Urls } from './installation.ts';

/** The ids of the users that the load is spread over, without gaps. */
export interface Users {
  first: number;
  last: number;
}

/** On each account at the start, in currency units: more than any run spends. */
export const BALANCE = 1_000_000;

const CALLERS = 64;

/** Creates users through the API and puts money on their accounts. */
export async function seed(urls: Urls, count: number, signal: AbortSignal): Promise<Users> {
  const ids: number[] = [];
  let begun = 0;
  const caller = async () => {
    while (begun < count) {
      begun += 1;
      const user = { email: `user-${begun}@example.org`, name: `User ${begun}` };
      const { id } = await post(`${urls['user-service']}/users`, user, signal);
      await post(`${urls['billing-service']}/accounts/${id}/deposit`, { amount: BALANCE }, signal);
      ids.push(id!);
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  const users = { first: ids.reduce((a, b) => Math.min(a, b)), last: ids.reduce((a, b) => Math.max(a, b)) };
  if (users.last - users.first + 1 !== count) throw new Error('the ids of the new users have gaps');
  return users;
}

export async function post(url: string, body: object, signal: AbortSignal): Promise<{ id?: number }> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal,
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`POST ${url}: ${response.status} ${text}`);
  return JSON.parse(text);
}
