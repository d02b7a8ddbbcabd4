import { expect, test } from 'vitest';
import { given } from '../../test/given.ts';
import { LETTERS_OF_ORDER_7, ORDER_7 } from '../../test/letters.ts';
import { apply, type Command, decide, type KnownUser } from './decide.ts';

const now = new Date('2026-01-31T12:00:00.000Z');
const anna: KnownUser = { id: 3, email: 'anna@example.org', locale: 'ru' };

const remember = (user: KnownUser): Command => ({ type: 'RememberUser', user });
const letter = (user_id: number, order_id: number, paid = true): Command => ({
  type: 'WriteLetter',
  user_id,
  result: { ...ORDER_7, order_id, paid },
  now,
});
const notify = (user_id: number): Command => ({
  type: 'Notify',
  user_id,
  email: 'other@example.org',
  subject: 'Hello',
  body: 'How are\nyou?',
  now,
});

/** Decides about commands of one batch; the first one's notification has the id 1, the second one's the id 2. */
function whenKnown(users: KnownUser[], ...commands: Command[]) {
  const known = given(
    { decide, apply },
    {
      users: new Map(users.map((user) => [user.id, user])),
      ids: new Map(commands.map((command, i) => [command, i + 1])),
    },
  );
  return { decisions: known.when(...commands), users: [...known.state.users.values()] };
}

test('a user is remembered', () => {
  const { decisions, users } = whenKnown([], remember(anna));
  expect(decisions).toEqual([{ outcome: 'remembered', user: anna }]);
  expect(users).toEqual([anna]);
});

test.each(LETTERS_OF_ORDER_7)(
  'a letter to a user who speaks $locale about an order with paid = $paid',
  ({ locale, paid, subject, body }) => {
    const { decisions } = whenKnown([{ ...anna, locale }], letter(anna.id, 7, paid));
    expect(decisions).toEqual([
      {
        outcome: 'written',
        letter: {
          user_id: anna.id,
          order_id: 7,
          email: anna.email,
          subject,
          body,
          created_at: now,
        },
      },
    ]);
  },
);

test('a notification is kept word by word, under the address that its sender gave', () => {
  const { decisions } = whenKnown([anna], notify(anna.id));
  expect(decisions).toEqual([
    {
      outcome: 'notified',
      notification: {
        id: 1,
        user_id: anna.id,
        order_id: null,
        email: 'other@example.org',
        subject: 'Hello',
        body: 'How are\nyou?',
        created_at: now,
      },
    },
  ]);
});

test.each([letter(4, 7), notify(4)])('$type to a user who is not known is missing that user', (command) => {
  const { decisions, users } = whenKnown([anna], command);
  expect(decisions).toEqual([{ outcome: 'unknown_user', missing: true }]);
  expect(users).toEqual([anna]);
});

test('in one batch a user is remembered, written to and notified, each notification with its own id', () => {
  const { decisions } = whenKnown([], notify(anna.id), remember(anna), letter(anna.id, 7), notify(anna.id));
  expect(decisions).toMatchObject([
    { outcome: 'unknown_user' },
    { outcome: 'remembered' },
    { letter: { order_id: 7 } },
    { notification: { id: 4, order_id: null } },
  ]);
});

test('deciding alone leaves the state as it was', () => {
  const state = { users: new Map<number, KnownUser>(), ids: new Map() };
  decide(state, remember(anna));
  expect(state).toEqual({ users: new Map(), ids: new Map() });
});
