import type { ServiceDefinition } from '@stream-processing/runtime/definition.ts';
import { routes } from './api.ts';
import type { Command, Decision } from './decide.ts';
import { inbox } from './inbox.ts';
import { type Drawn, work } from './store.ts';

/** Takes orders, publishes them, and settles them by what billing decided. */
export const orderService: ServiceDefinition<Drawn, Command, Decision> = {
  name: 'order-service',
  description: 'Orders: placed against the prepaid account of their user.',
  migrations: new URL('./migrations/', import.meta.url),
  follows: ['user-service', 'billing-service'],
  work,
  inbox,
  routes,
};
