import { randomUUID } from 'node:crypto';
import type { ServiceName } from '@stream-processing/contracts/names.ts';
import { describe, expect, test } from 'vitest';
import { POSTS } from './posts.ts';
import { expectProblem } from './replies.ts';
import { shareInstallation, whileLocked } from './shared-installation.ts';

const shared = shareInstallation();

const newKey = () => ({ 'idempotency-key': randomUUID() });
const isReplay = (reply: { headers: Headers }) => reply.headers.get('idempotency-replayed') === 'true';

/** The reply with its body as the very text that was sent. */
async function postText(service: ServiceName, path: string, body: object, headers: Record<string, string>) {
  const response = await fetch(`${shared.urls[service]}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const { status } = response;
  return {
    headers: response.headers,
    reply: { status, type: response.headers.get('content-type'), text: await response.text() },
  };
}

describe.each(POSTS)('%s', (_name, { service, path, body, other, effects }) => {
  const send = (user_id: number, headers: Record<string, string>, what = body) =>
    postText(service, path(user_id), what(user_id), headers);

  test('repeated with its key has one effect and gets the first reply', async () => {
    const user_id = await shared.api.userWith(100);
    const key = newKey();
    const first = await send(user_id, key);
    expect(first.reply.status).toBeLessThan(300);
    expect(first.headers.has('idempotency-replayed')).toBe(false);
    for (let i = 0; i < 3; i += 1) {
      const again = await send(user_id, key);
      expect(again.reply).toEqual(first.reply);
      expect(isReplay(again)).toBe(true);
      expect(again.headers.get('location')).toBe(first.headers.get('location'));
    }
    expect(await effects(shared.api, user_id)).toBe(1);
  });

  test('sent ten times at once with one key has one effect and ten equal replies', async () => {
    const user_id = await shared.api.userWith(100);
    const key = newKey();
    const all = await Promise.all(Array.from({ length: 10 }, () => send(user_id, key)));
    expect(all.map((each) => each.reply)).toEqual(Array(10).fill(all[0]!.reply));
    expect(all[0]!.reply.status).toBeLessThan(300);
    expect(all.filter(isReplay)).toHaveLength(9);
    expect(await effects(shared.api, user_id)).toBe(1);
  });

  test('with the key of another body is refused and has no effect', async () => {
    const user_id = await shared.api.userWith(100);
    const key = newKey();
    await send(user_id, key);
    const reply = await shared.api.post(service, path(user_id), other(user_id), key);
    // An account's body has room for one user and nothing else, so that another body is no valid one.
    if (path(user_id) === '/accounts') expectProblem(reply, 'invalid_body', ['/surprise']);
    else expectProblem(reply, 'idempotency_key_reused');
    expect(await effects(shared.api, user_id)).toBe(1);
  });

  test.each([
    ['empty', ''],
    ['256 characters long', 'k'.repeat(256)],
    ['with a space in it', 'one two'],
    ['with a letter that is not ASCII', 'clé'],
    ['with a tab in it', 'one\ttwo'],
  ])('with a key that is %s is refused and has no effect', async (_how, key) => {
    const user_id = await shared.api.userWith(100);
    const before = await effects(shared.api, user_id);
    const headers = { 'idempotency-key': key };
    const reply = await shared.api.post(service, path(user_id), body(user_id), headers);
    expectProblem(reply, 'invalid_header', ['idempotency-key']);
    expect(await effects(shared.api, user_id)).toBe(before);
  });

  test('takes a key of 255 visible characters', async () => {
    const user_id = await shared.api.userWith(100);
    const key = { 'idempotency-key': `${randomUUID()}!"#$%&'()*+,-./:;<=>?@[\\]^_\`{|}~`.padEnd(255, 'k') };
    await send(user_id, key);
    expect(isReplay(await send(user_id, key))).toBe(true);
  });
});

test('a key belongs to its route and its user', async () => {
  const [anna, boris] = [await shared.api.userWith(100), await shared.api.userWith(100)];
  const key = newKey();
  const replies = await Promise.all([
    shared.api.deposit(anna, 7, key),
    shared.api.withdraw(anna, 7, key),
    shared.api.order(anna, 7, key),
    shared.api.deposit(boris, 7, key),
    shared.api.withdraw(boris, 7, key),
    shared.api.order(boris, 7, key),
  ]);
  expect(replies.map((reply) => reply.status)).toEqual([200, 200, 201, 200, 200, 201]);
  expect(replies.some(isReplay)).toBe(false);
  expect((await shared.api.account(anna)).body.balance).toBe(93);
  expect((await shared.api.account(boris)).body.balance).toBe(93);
});

test('the order of the fields does not make another request', async () => {
  const user_id = await shared.api.userWith(100);
  const key = newKey();
  const first = await shared.api.post('order-service', '/orders', { user_id, price: 7 }, key);
  const again = await shared.api.post('order-service', '/orders', { price: 7, user_id }, key);
  expect(again.body).toEqual(first.body);
  expect(isReplay(again)).toBe(true);
});

test('a withdrawal that was refused stays refused under its key, whatever comes in', async () => {
  const user_id = await shared.api.userWith(1);
  const key = newKey();
  const refused = await shared.api.withdraw(user_id, 5, key);
  expect(refused.body).toMatchObject({ withdrawn: false, balance: 1 });
  await shared.api.deposit(user_id, 100);
  const again = await shared.api.withdraw(user_id, 5, key);
  expect(again.body).toEqual(refused.body);
  expect(isReplay(again)).toBe(true);
  expect((await shared.api.account(user_id)).body.balance).toBe(101);
});

test('a deposit beyond the limit stays refused under its key, whatever goes out', async () => {
  const user_id = await shared.api.userWith(90_000_000_000_000);
  const key = newKey();
  expectProblem(await shared.api.deposit(user_id, 1, key), 'balance_limit_exceeded');
  await shared.api.withdraw(user_id, 500);
  const again = await shared.api.deposit(user_id, 1, key);
  expectProblem(again, 'balance_limit_exceeded');
  expect(isReplay(again)).toBe(true);
});

test('an address that was taken stays taken under its key', async () => {
  const { body: user } = await shared.api.createUser();
  const key = newKey();
  const send = () => shared.api.post('user-service', '/users', { email: user.email, name: 'Boris' }, key);
  expectProblem(await send(), 'email_taken');
  const again = await send();
  expectProblem(again, 'email_taken');
  expect(isReplay(again)).toBe(true);
});

test('what was not found is not kept: once the user is there, the same request takes effect', async () => {
  const key = newKey();
  const next = (await shared.api.userWith(0)) + 1;
  const attempts = () =>
    Promise.all([
      shared.api.order(next, 1, key),
      shared.api.deposit(next, 1, key),
      shared.api.post('billing-service', '/accounts', { user_id: next }, key),
    ]);
  const [order, deposit, account] = await attempts();
  expectProblem(order, 'user_not_found');
  expectProblem(deposit, 'account_not_found');
  expectProblem(account, 'user_not_found');
  expect(await shared.api.userWith(0)).toBe(next);
  const second = await attempts();
  expect(second.map((reply) => reply.status)).toEqual([201, 200, 201]);
  expect(second.some(isReplay)).toBe(false);
});

test('what was invalid is not kept: the corrected body may come under the same key', async () => {
  const user_id = await shared.api.userWith(0);
  const key = newKey();
  expectProblem(await shared.api.deposit(user_id, 0, key), 'invalid_body', ['/amount']);
  expect((await shared.api.deposit(user_id, 5, key)).body.balance).toBe(5);
});

test('an order repeated while it is pending is told, in the end, the same final order', async () => {
  const user_id = await shared.api.userWith(10);
  const key = newKey();
  const repeat = (prefer: string) => shared.api.order(user_id, 3, { ...key, prefer });
  const waiting = await whileLocked(shared.sql, 'billing_service.accounts', async () => {
    const first = await repeat('respond-async');
    expect(first).toMatchObject({ status: 202, body: { status: 'pending' } });
    const second = await repeat('wait=0');
    expect(second).toMatchObject({ status: 202, body: first.body });
    expect(isReplay(second)).toBe(true);
    return [repeat('wait=10'), repeat('wait=10')];
  });
  const [a, b] = await Promise.all(waiting);
  expect(a).toMatchObject({ status: 201, body: { status: 'confirmed' } });
  expect(b).toMatchObject({ status: 201, body: a!.body });
  expect((await repeat('respond-async')).body).toEqual(a!.body);
  expect(await shared.api.letters(user_id)).toHaveLength(1);
});

test('a reply is repeated in every digit, also where a double would blur it', async () => {
  const user_id = await shared.api.userWith(80_000_000_000_000);
  const key = newKey();
  const send = () => postText('billing-service', `/accounts/${user_id}/deposit`, { amount: 0.01 }, key);
  const first = await send();
  expect(first.reply.text).toContain('"balance":80000000000000.01}');
  expect((await send()).reply).toEqual(first.reply);
});
