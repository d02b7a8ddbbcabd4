import { PendingOrderError } from './errors.ts';
import { assertAboveZero, type CallOptions, delay, type Limits, limitsOf, remaining } from './limits.ts';
import { Listing } from './listing.ts';
import type { operations } from './schema.ts';
import { Transport } from './transport.ts';
import {
  type Account,
  type FinalOrder,
  isFinal,
  type NewNotification,
  type NewOrder,
  type NewUser,
  type Notification,
  type Order,
  type Transfer,
  type TrialBalance,
  type User,
  type Withdrawal,
} from './types.ts';

export interface Urls {
  users: string;
  accounts: string;
  notifications: string;
  orders: string;
}

/** Where `npm start` has the services. */
export const LOCAL: Urls = {
  users: 'http://127.0.0.1:8000',
  accounts: 'http://127.0.0.1:8001',
  notifications: 'http://127.0.0.1:8002',
  orders: 'http://127.0.0.1:8003',
};

export interface ClientOptions {
  /** One address for all services, behind a gateway, or one for each. Default: LOCAL. */
  baseUrl?: string | Urls;
  /** Milliseconds for a call with all its attempts, 30,000 by default. */
  timeout?: number;
  /** Milliseconds after which an attempt that is not answered is given up for another one, 10,000 by default. */
  attemptTimeout?: number;
  /** Sent with every request, for a gateway that asks for them. */
  headers?: Record<string, string>;
  fetch?: typeof fetch;
}

export type Client = ReturnType<typeof createClient>;

type Query<Name extends keyof operations> = Omit<
  NonNullable<operations[Name]['parameters']['query']>,
  'cursor'
>;

const PAUSE_MS = 500;
/** What is left of a call's time for the reply that an order is still pending. */
const REPLY_MS = 1000;

/** A client of the four services. It keeps no connection of its own and need not be closed. */
export function createClient(options: ClientOptions = {}) {
  const { timeout = 30_000, attemptTimeout = 10_000, headers = {}, fetch = globalThis.fetch } = options;
  assertAboveZero('timeout', timeout);
  assertAboveZero('attemptTimeout', attemptTimeout);
  const urls = urlsOf(options.baseUrl ?? LOCAL);
  const transportOf = (attemptMs: number) =>
    new Transport({ headers, fetch, attemptTimeout: attemptMs, baseUrlOf: (path) => urlOf(urls, path) });
  const transport = transportOf(attemptTimeout);
  const limits = (call: CallOptions) => limitsOf(timeout, call);

  async function final(order: Order, within: Limits): Promise<FinalOrder> {
    let latest = order;
    while (!isFinal(latest)) {
      if (remaining(within) <= PAUSE_MS) throw new PendingOrderError(latest);
      await delay(PAUSE_MS, within.signal);
      try {
        latest = await getOrder(order.id, within, { consistency: 'eventual' });
      } catch (error) {
        within.signal?.throwIfAborted();
        // Whatever it was: the order is durable.
        throw new PendingOrderError(latest, error);
      }
    }
    return latest;
  }

  const getOrder = (id: number, within: Limits, query: Query<'getOrder'> = {}): Promise<Order> =>
    transport.get(within, '/orders', (api) => api.GET('/orders/{id}', { params: { path: { id }, query } }));

  return {
    users: {
      /** A billing account opens by itself. */
      create: (body: NewUser, call: CallOptions = {}): Promise<User> =>
        transport.post(limits(call), '/users', (api) => api.POST('/users', { body })),

      get: (id: number, query: Query<'getUser'> = {}, call: CallOptions = {}): Promise<User> =>
        transport.get(limits(call), '/users', (api) =>
          api.GET('/users/{id}', { params: { path: { id }, query } }),
        ),

      list: (query: Query<'listUsers'> = {}, call: CallOptions = {}): Listing<User> =>
        new Listing((cursor) =>
          transport.get(limits(call), '/users', (api) =>
            api.GET('/users', { params: { query: { ...query, ...at(cursor) } } }),
          ),
        ),
    },

    accounts: {
      /** The account is there already; this tells it, or that there is no such user. */
      open: (user_id: number, call: CallOptions = {}): Promise<Account> =>
        transport.post(limits(call), '/accounts', (api) => api.POST('/accounts', { body: { user_id } })),

      get: (user_id: number, query: Query<'getAccount'> = {}, call: CallOptions = {}): Promise<Account> =>
        transport.get(limits(call), '/accounts', (api) =>
          api.GET('/accounts/{user_id}', { params: { path: { user_id }, query } }),
        ),

      /** `amount` in currency units, more than 0, with at most two decimals. */
      deposit: (user_id: number, amount: number, call: CallOptions = {}): Promise<Account> =>
        transport.post(limits(call), '/accounts', (api) =>
          api.POST('/accounts/{user_id}/deposit', { params: { path: { user_id } }, body: { amount } }),
        ),

      /** Too little money is no error: `withdrawn` is false then. */
      withdraw: (user_id: number, amount: number, call: CallOptions = {}): Promise<Withdrawal> =>
        transport.post(limits(call), '/accounts', (api) =>
          api.POST('/accounts/{user_id}/withdraw', { params: { path: { user_id } }, body: { amount } }),
        ),

      /** The statement: every transfer with the balance after it. */
      transfers: (
        user_id: number,
        query: Query<'listTransfers'> = {},
        call: CallOptions = {},
      ): Listing<Transfer> =>
        new Listing((cursor) =>
          transport.get(limits(call), '/accounts', (api) =>
            api.GET('/accounts/{user_id}/transfers', {
              params: { path: { user_id }, query: { ...query, ...at(cursor) } },
            }),
          ),
        ),

      trialBalance: (call: CallOptions = {}): Promise<TrialBalance> =>
        transport.get(limits(call), '/trial-balance', (api) => api.GET('/trial-balance')),
    },

    notifications: {
      create: (body: NewNotification, call: CallOptions = {}): Promise<Notification> =>
        transport.post(limits(call), '/notifications', (api) => api.POST('/notifications', { body })),

      /** A letter is here as soon as its order is final. */
      list: (query: Query<'listNotifications'>, call: CallOptions = {}): Listing<Notification> =>
        new Listing((cursor) =>
          transport.get(limits(call), '/notifications', (api) =>
            api.GET('/notifications', { params: { query: { ...query, ...at(cursor) } } }),
          ),
        ),
    },

    orders: {
      /**
       * Places an order and resolves when it is decided, `confirmed` or `failed`; rejects with a PendingOrderError when that
       * takes longer than the call may. `wait`: seconds, up to 30, for which one reply may keep us waiting; 5 by default, and less
       * than the call's time in any case.
       */
      async place(body: NewOrder, call: CallOptions & { wait?: number } = {}): Promise<FinalOrder> {
        const { wait = 5 } = call;
        if (!Number.isInteger(wait) || wait < 0 || wait > 30) {
          throw new RangeError(`wait must be a whole number of seconds from 0 to 30, not ${wait}`);
        }
        const within = limits(call);
        // The reply must come before the call ends, or nobody knows that there is an order.
        const seconds = Math.max(0, Math.min(wait, Math.floor((remaining(within) - REPLY_MS) / 1000)));
        const order = await transportOf(attemptTimeout + seconds * 1000).post(within, '/orders', (api) =>
          api.POST('/orders', { body, params: { header: { prefer: `wait=${seconds}` } } }),
        );
        return final(order, within);
      },

      /** Places an order and resolves when it is durable; it may still be pending. */
      submit: (body: NewOrder, call: CallOptions = {}): Promise<Order> =>
        transport.post(limits(call), '/orders', (api) =>
          api.POST('/orders', { body, params: { header: { prefer: 'respond-async' } } }),
        ),

      /** Waits until the order is decided. */
      async final(id: number, call: CallOptions = {}): Promise<FinalOrder> {
        const within = limits(call);
        return final(await getOrder(id, within), within);
      },

      get: (id: number, query: Query<'getOrder'> = {}, call: CallOptions = {}): Promise<Order> =>
        getOrder(id, limits(call), query),

      list: (query: Query<'listOrders'>, call: CallOptions = {}): Listing<Order> =>
        new Listing((cursor) =>
          transport.get(limits(call), '/orders', (api) =>
            api.GET('/orders', { params: { query: { ...query, ...at(cursor) } } }),
          ),
        ),
    },
  };
}

const at = (cursor: string | undefined) => (cursor === undefined ? {} : { cursor });

function urlsOf(baseUrl: string | Urls): Urls {
  const urls =
    typeof baseUrl === 'string'
      ? { users: baseUrl, accounts: baseUrl, notifications: baseUrl, orders: baseUrl }
      : baseUrl;
  for (const name of ['users', 'accounts', 'notifications', 'orders'] as const) {
    if (!/^https?:\/\/./.test(urls[name] ?? '')) {
      throw new TypeError(`baseUrl: ${urls[name] ?? 'nothing'} is no http address (${name})`);
    }
  }
  return urls;
}

function urlOf(urls: Urls, path: string): string {
  const [, root = ''] = path.split('/');
  return root === 'trial-balance' ? urls.accounts : urls[root as keyof Urls];
}
