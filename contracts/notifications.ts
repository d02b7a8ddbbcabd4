import Type, { type Static } from 'typebox';
import { Email, Exact, Id, Line, Text, Time } from './common.ts';

const Subject = Line(200, 'Hello');
const Body = Text(10_000, 'How are you?');

export const NewNotification = Exact(
  { user_id: Id, email: Email, subject: Subject, body: Body },
  { title: 'NewNotification' },
);
export type NewNotification = Static<typeof NewNotification>;

export const Notification = Exact(
  {
    id: Id,
    user_id: Id,
    order_id: Type.Union([Id, Type.Null()], { description: 'The order whose result this letter tells.' }),
    email: Email,
    subject: Subject,
    body: Body,
    created_at: Time,
  },
  { title: 'Notification' },
);
export type Notification = Static<typeof Notification>;
