import { randomUUID } from 'node:crypto';
import type { ServiceName } from '@stream-processing/contracts/names.ts';
import type { Api } from './api.ts';

export interface Post {
  service: ServiceName;
  path: (user_id: number) => string;
  /** A valid body, and another one. */
  body: (user_id: number) => object;
  other: (user_id: number) => object;
  /** How many times it has taken effect for this user. */
  effects: (api: Api, user_id: number) => Promise<number>;
}

// One address and name per user, so that a repetition is a repetition.
const emailOf = (user_id: number) => `created-for-${user_id}@example.org`;
const transfers = (kind: string) => async (api: Api, user_id: number) => {
  const all = await api.all('billing-service', `/accounts/${user_id}/transfers`);
  return all.filter((transfer) => transfer.kind === kind).length;
};

/** Every route that changes something. */
export const POSTS: [string, Post][] = [
  [
    'POST /users',
    {
      service: 'user-service',
      path: () => '/users',
      body: (user_id) => ({ email: emailOf(user_id), name: 'Anna' }),
      other: () => ({ email: `${randomUUID()}@example.org`, name: 'Boris' }),
      effects: async (api, user_id) => {
        const users = await api.all('user-service', '/users?limit=1000');
        return users.filter((user) => user.email === emailOf(user_id)).length;
      },
    },
  ],
  [
    'POST /accounts',
    {
      service: 'billing-service',
      path: () => '/accounts',
      body: (user_id) => ({ user_id }),
      other: (user_id) => ({ user_id, surprise: 1 }),
      effects: async (api, user_id) => ((await api.account(user_id)).status === 200 ? 1 : 0),
    },
  ],
  [
    'POST /accounts/{user_id}/deposit',
    {
      service: 'billing-service',
      path: (user_id) => `/accounts/${user_id}/deposit`,
      body: () => ({ amount: 1.5 }),
      other: () => ({ amount: 1.51 }),
      effects: async (api, user_id) => (await transfers('deposit')(api, user_id)) - 1,
    },
  ],
  [
    'POST /accounts/{user_id}/withdraw',
    {
      service: 'billing-service',
      path: (user_id) => `/accounts/${user_id}/withdraw`,
      body: () => ({ amount: 1.5 }),
      other: () => ({ amount: 1.51 }),
      effects: transfers('withdrawal'),
    },
  ],
  [
    'POST /notifications',
    {
      service: 'notification-service',
      path: () => '/notifications',
      body: (user_id) => ({ user_id, email: 'a@example.org', subject: 'Hello', body: 'How are you?' }),
      other: (user_id) => ({ user_id, email: 'a@example.org', subject: 'Hello', body: 'How are they?' }),
      effects: async (api, user_id) => (await api.letters(user_id)).length,
    },
  ],
  [
    'POST /orders',
    {
      service: 'order-service',
      path: () => '/orders',
      body: (user_id) => ({ user_id, price: 1.5 }),
      other: (user_id) => ({ user_id, price: 1.51 }),
      effects: async (api, user_id) => (await api.all('order-service', `/orders?user_id=${user_id}`)).length,
    },
  ],
];
