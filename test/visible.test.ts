/** Who tells of users or balances waits until the other services can see what that came from. */
import { Problem } from '@stream-processing/contracts/problems.ts';
import type { Room } from '@stream-processing/runtime/definition.ts';
import { expect, test } from 'vitest';
import { Routes } from '../proofs/simulate/routes.ts';
import { routes as billing } from '../services/billing-service/api.ts';
import { routes as users } from '../services/user-service/api.ts';

const USER = 7;
const ROW = {
  id: 7n,
  email: 'anna@example.org',
  name: 'Anna',
  locale: 'en',
  created_at: new Date(0),
  balance: 5n,
  kind: 'deposit',
  amount: 5n,
  sequence: 1n,
  order_id: null,
};

/** A service whose tables hold a row, and whose log nobody else can see yet. */
function given(
  routes: (app: Routes['app'], room: Room<never, never, never>) => void,
  more: Partial<Room<never, never, never>> = {},
) {
  const app = new Routes();
  const asked: number[][] = [];
  const room = {
    sql: async () => [ROW],
    untilVisible: async (user_ids: number[]) => {
      asked.push(user_ids);
      throw new Problem('not_fresh');
    },
    isBehind: () => false,
    pipeline: { submit: () => Promise.reject(new Problem('stopping')) },
    ...more,
  };
  routes(app.app, room as unknown as Room<never, never, never>);
  return { app, asked };
}

test('where others could not see for too long what was said of a user, nothing more is done for him', async () => {
  const { app } = given(billing as never, { isBehind: (user_id) => user_id === USER });
  const deposit = (user_id: number) =>
    app.call('POST', '/accounts/:user_id/deposit', { id: 'key', params: { user_id }, body: { amount: 1 } });
  await expect(deposit(USER)).rejects.toMatchObject({ code: 'overloaded' });
  await expect(deposit(USER + 1)).rejects.toMatchObject({ code: 'stopping' });
});

const page = { limit: 1, order: 'asc' };

test.each([
  ['a user', users, '/users/:id', { id: USER }],
  ['users', users, '/users', {}],
  ['an account', billing, '/accounts/:user_id', { user_id: USER }],
  ['a statement', billing, '/accounts/:user_id/transfers', { user_id: USER }],
] as const)('%s', async (_what, routes, path, params) => {
  const { app, asked } = given(routes as never);
  const read = (consistency: string) =>
    app.call('GET', path, { id: 'read', params, query: { consistency, ...page } });
  await expect(read('fresh')).rejects.toMatchObject({ code: 'not_fresh' });
  expect(asked).toEqual([[USER]]);
  await expect(read('eventual')).resolves.toMatchObject({ status: 200 });
  expect(asked).toHaveLength(1);
});
