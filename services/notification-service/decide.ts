import { type OrderResult, resultLetter } from '@stream-processing/contracts/letters.ts';
import type { Locale } from '@stream-processing/contracts/names.ts';
import type { NewNotification } from '@stream-processing/contracts/notifications.ts';

export interface KnownUser {
  id: number;
  email: string;
  locale: Locale;
}

export type Command =
  | { type: 'RememberUser'; user: KnownUser }
  | { type: 'WriteLetter'; user_id: number; result: OrderResult; now: Date }
  | ({ type: 'Notify'; now: Date } & NewNotification);

export interface Notification extends NewNotification {
  id: number;
  order_id: number | null;
  created_at: Date;
}

export interface State {
  users: Map<number, KnownUser>;
  /** The id that each command gives its notification. */
  ids: Map<Command, number>;
}

export type Decision =
  | { outcome: 'unknown_user'; missing: true; notification?: never; user?: never }
  | { outcome: 'remembered'; missing?: never; user: KnownUser; notification?: never }
  | { outcome: 'written'; missing?: never; notification: Notification; user?: never };

export function decide(state: State, command: Command): Decision {
  if (command.type === 'RememberUser') return { outcome: 'remembered', user: command.user };
  const user = state.users.get(command.user_id);
  if (!user) return { outcome: 'unknown_user', missing: true };
  const id = state.ids.get(command)!;
  const created_at = command.now;
  if (command.type === 'Notify') {
    const { user_id, email, subject, body } = command;
    return {
      outcome: 'written',
      notification: { id, user_id, order_id: null, email, subject, body, created_at },
    };
  }
  const { order_id } = command.result;
  const letter = resultLetter(user.locale, command.result);
  return {
    outcome: 'written',
    notification: { id, user_id: user.id, order_id, email: user.email, ...letter, created_at },
  };
}

export function apply(state: State, decision: Decision): void {
  if (decision.user) state.users.set(decision.user.id, decision.user);
}
