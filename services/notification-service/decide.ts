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

/** The result of an order. It gets its id as it is saved, since nobody waits for that. */
export type Letter = Omit<Notification, 'id'>;

export interface State {
  users: Map<number, KnownUser>;
  /** The id that each `Notify` gives its notification. */
  ids: Map<Command, number>;
}

export type Decision =
  | { outcome: 'unknown_user'; missing: true; notification?: never; letter?: never; user?: never }
  | { outcome: 'remembered'; missing?: never; user: KnownUser; notification?: never; letter?: never }
  | { outcome: 'notified'; missing?: never; notification: Notification; letter?: never; user?: never }
  | { outcome: 'written'; missing?: never; letter: Letter; notification?: never; user?: never };

export function decide(state: State, command: Command): Decision {
  if (command.type === 'RememberUser') return { outcome: 'remembered', user: command.user };
  const user = state.users.get(command.user_id);
  if (!user) return { outcome: 'unknown_user', missing: true };
  const created_at = command.now;
  if (command.type === 'Notify') {
    const { user_id, email, subject, body } = command;
    const id = state.ids.get(command)!;
    return {
      outcome: 'notified',
      notification: { id, user_id, order_id: null, email, subject, body, created_at },
    };
  }
  const { order_id } = command.result;
  const letter = resultLetter(user.locale, command.result);
  return {
    outcome: 'written',
    letter: { user_id: user.id, order_id, email: user.email, ...letter, created_at },
  };
}

export function apply(state: State, decision: Decision): void {
  if (decision.user) state.users.set(decision.user.id, decision.user);
}
