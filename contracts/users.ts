import Type, { type Static } from 'typebox';
import { Email, Exact, Id, Line, LocaleSchema, Time } from './common.ts';

const Name = Line(200, 'Anna');

export const NewUser = Exact(
  { email: Email, name: Name, locale: Type.Optional(LocaleSchema) },
  { title: 'NewUser' },
);
export type NewUser = Static<typeof NewUser>;

export const User = Exact(
  { id: Id, email: Email, name: Name, locale: LocaleSchema, created_at: Time },
  { title: 'User' },
);
export type User = Static<typeof User>;

/** Published once per user, as the first event that speaks of this user. */
export const UserCreated = Exact(
  { user_id: Id, email: Email, name: Name, locale: LocaleSchema, created_at: Time },
  { description: 'A user is there. The first event that speaks of this user, and the only one of its type.' },
);
export type UserCreated = Static<typeof UserCreated>;

export const USER_EVENTS = { UserCreated };
