/**
 * `scenario URL…`: the product's main job from the outside, as the Postman collection has it, for where there is no newman:
 * `helm test` runs it in the cluster. Makes a user of its own; the books stay balanced.
 */
import { deepStrictEqual } from 'node:assert';
import { randomUUID } from 'node:crypto';

const REPLY_MS_MAX = 35_000;
const USAGE = 'usage: scenario ORIGIN | scenario USER_URL BILLING_URL NOTIFICATION_URL ORDER_URL';

interface Reply {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: what came is what the checks are about
  body: any;
}

const urls = process.argv.slice(3);
if (![1, 4].includes(urls.length) || !urls.every((url) => /^https?:$/.test(URL.parse(url)?.protocol ?? ''))) {
  console.error(USAGE);
  process.exit(2);
}
const [users, billing, notifications, orders] = (urls.length === 1 ? Array(4).fill(urls[0]) : urls) as [
  string,
  string,
  string,
  string,
];

try {
  await runScenario();
  console.log('the scenario passed');
} catch (error) {
  console.error(describe(error as Error));
  process.exit(1);
}

async function runScenario() {
  const user = await call('POST', users, '/users', {
    email: `${randomUUID()}@example.org`,
    name: 'Scenario',
  });
  check('a user is created', user.status, 201);
  const user_id: number = user.body.id;
  const balance = async () => (await call('GET', billing, `/accounts/${user_id}`)).body.balance;
  check('the account is there, with 0', await balance(), 0);
  const deposit = await call('POST', billing, `/accounts/${user_id}/deposit`, { amount: 1000.5 });
  check('a deposit', [deposit.status, deposit.body.balance], [200, 1000.5]);

  const paid = await call('POST', orders, '/orders', { user_id, price: 249.9 });
  check('an order that the account can pay', [paid.status, paid.body.status], [201, 'confirmed']);
  check('the balance fell by the price', await balance(), 750.6);
  const dear = await call('POST', orders, '/orders', { user_id, price: 750.61 });
  check('an order for one kopeck too much', [dear.status, dear.body.status], [201, 'failed']);
  check('the balance is unchanged', await balance(), 750.6);

  const key = randomUUID();
  const first = await call('POST', orders, '/orders', { user_id, price: 50 }, key);
  const again = await call('POST', orders, '/orders', { user_id, price: 50 }, key);
  check('an order sent twice is one order', again, first);
  check('debited once', await balance(), 700.6);

  const letters = await call('GET', notifications, `/notifications?user_id=${user_id}`);
  const told = letters.body.items.map((letter: { order_id: number; body: string }) => [
    letter.order_id,
    letter.body,
  ]);
  const expected = [paid, dear, first].map(({ body }) => [body.id, body.message]);
  check('a letter for each order, in the words of its message', told, expected);
  check('the books are balanced', (await call('GET', billing, '/trial-balance')).body.balanced, true);
}

async function call(method: string, url: string, path: string, body?: object, key?: string): Promise<Reply> {
  const answer = await fetch(new URL(path, url), {
    method,
    headers: {
      ...(body && { 'content-type': 'application/json' }),
      ...(key && { 'idempotency-key': key }),
    },
    body: body ? JSON.stringify(body) : null,
    signal: AbortSignal.timeout(REPLY_MS_MAX),
  }).catch((error) => {
    throw new Error(`${method} ${new URL(path, url)}: ${describe(error)}`);
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${new URL(path, url)}: ${answer.status} ${text}`);
  return { status: answer.status, body: JSON.parse(text) };
}

function check(what: string, found: unknown, expected: unknown) {
  deepStrictEqual(
    found,
    expected,
    `${what}: ${JSON.stringify(found)} instead of ${JSON.stringify(expected)}`,
  );
  console.log(`ok: ${what}`);
}

function describe(error: Error): string {
  return error.cause instanceof Error ? error.cause.message || String(error.cause) : error.message;
}
