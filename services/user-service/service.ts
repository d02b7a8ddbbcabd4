import type { ServiceDefinition } from '@stream-processing/runtime/definition.ts';
import { routes } from './api.ts';
import type { Command, Decision, State } from './decide.ts';
import { work } from './store.ts';

/** Knows who the users are. Publishes UserCreated and follows nobody. */
export const userService: ServiceDefinition<State, Command, Decision> = {
  name: 'user-service',
  description: 'Users: creating one opens a billing account by itself.',
  migrations: new URL('./migrations/', import.meta.url),
  follows: [],
  work: () => work,
  inbox: () => undefined,
  routes,
};
