import type { Urls } from '../../bench/installation.ts';
import type { Known } from './known.ts';

const MS_MAX = 15_000;

/** A user, a deposit, an order that is paid, and its letter, as if nothing had been; throws where anything is otherwise. */
export async function ordinaryOrder(urls: Urls, name: string, known?: Known): Promise<void> {
  const call = async (url: string, path: string, body?: object) => {
    const response = await fetch(`${url}${path}`, {
      signal: AbortSignal.timeout(MS_MAX),
      ...(body
        ? { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
        : {}),
    });
    const text = await response.text();
    if (!response.ok)
      throw new Error(`${body ? 'POST' : 'GET'} ${path} is answered ${response.status} ${text}`);
    const reply = JSON.parse(text);
    known?.learn(path.split('?')[0]!, reply);
    return reply;
  };
  const { id } = await call(urls['user-service'], '/users', { email: `${name}@example.org`, name });
  await call(urls['billing-service'], `/accounts/${id}/deposit`, { amount: 100 });
  const order = await call(urls['order-service'], '/orders', { user_id: id, price: 30.5 });
  if (order.status !== 'confirmed') throw new Error(`the order is ${order.status}`);
  const { balance } = await call(urls['billing-service'], `/accounts/${id}`);
  if (balance !== 69.5) throw new Error(`the balance is ${balance}`);
  const letters = await call(urls['notification-service'], `/notifications?user_id=${id}`);
  if (letters.items[0]?.body !== order.message) throw new Error('the letter is not there');
}
