import type { ServiceDefinition } from '@stream-processing/runtime/definition.ts';
import { routes } from './api.ts';
import type { Command, Decision, State } from './decide.ts';
import { inbox } from './inbox.ts';
import { work } from './store.ts';

/** Keeps letters: one for the result of each order, and whatever others leave here. */
export const notificationService: ServiceDefinition<State, Command, Decision> = {
  name: 'notification-service',
  description: 'Notifications: a letter of happiness or of grief for each order.',
  migrations: new URL('./migrations/', import.meta.url),
  follows: ['user-service', 'billing-service'],
  work,
  inbox,
  routes,
};
