import type { ServiceDefinition } from '@stream-processing/runtime/definition.ts';
import { routes } from './api.ts';
import type { Command, Decision } from './decide.ts';
import { inbox } from './inbox.ts';
import { type Accounts, work } from './store.ts';

/** Keeps the accounts in double entry. Opens one for each new user, pays orders, publishes how it went. */
export const billingService: ServiceDefinition<Accounts, Command, Decision> = {
  name: 'billing-service',
  description: 'Accounts: balance, deposit, withdrawal, statement; orders are paid from them.',
  migrations: new URL('./migrations/', import.meta.url),
  follows: ['user-service', 'order-service'],
  work,
  inbox,
  routes,
};
