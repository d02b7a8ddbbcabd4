import type { Locale } from '@stream-processing/contracts/names.ts';
import type { UserCreated } from '@stream-processing/contracts/users.ts';

export interface CreateUser {
  type: 'CreateUser';
  email: string;
  name: string;
  locale: Locale;
  now: Date;
}

export type Command = CreateUser;

export interface User {
  id: number;
  email: string;
  name: string;
  locale: Locale;
  created_at: Date;
}

export interface State {
  /** Addresses in use, in lower case. */
  taken: Set<string>;
  /** The id that each command gives its user. */
  ids: Map<Command, number>;
}

export type Decision =
  | {
      outcome: 'created';
      user: User;
      events: { type: 'UserCreated'; user_id: number; data: UserCreated }[];
      missing?: never;
    }
  | { outcome: 'email_taken'; events?: never; missing?: never };

export function decide(state: State, command: Command): Decision {
  if (state.taken.has(addressKey(command.email))) return { outcome: 'email_taken' };
  const { email, name, locale, now } = command;
  const id = state.ids.get(command)!;
  const data = { user_id: id, email, name, locale, created_at: now.toISOString() };
  return {
    outcome: 'created',
    user: { id, email, name, locale, created_at: now },
    events: [{ type: 'UserCreated', user_id: id, data }],
  };
}

export function apply(state: State, decision: Decision): void {
  if (decision.outcome === 'created') state.taken.add(addressKey(decision.user.email));
}

/** Two addresses that differ only in case are one. */
export function addressKey(email: string): string {
  return email.toLowerCase();
}
