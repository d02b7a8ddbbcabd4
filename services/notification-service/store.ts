import type { Locale } from '@stream-processing/contracts/names.ts';
import { nextIds } from '@stream-processing/runtime/ids.ts';
import { KeptRows } from '@stream-processing/runtime/kept-rows.ts';
import type { Tx } from '@stream-processing/runtime/sql.ts';
import type { Work } from '@stream-processing/runtime/work.ts';
import {
  apply,
  type Command,
  type Decision,
  decide,
  type KnownUser,
  type Notification,
  type State,
} from './decide.ts';

export function work(): Work<State, Command, Decision> {
  const users = new KeptRows<KnownUser>();
  return { load: (tx, commands) => load(tx, commands, users), decide, apply, save };
}

/** Nothing to lock: what is known of a user never changes, and a notification is only ever added. */
async function load(tx: Tx, commands: Command[], known: KeptRows<KnownUser>): Promise<State> {
  const writing = commands.filter((command) => command.type !== 'RememberUser');
  const wanted = writing.map((command) => command.user_id);
  const [users, ids] = await Promise.all([
    known.find(wanted, (missing) => findUsers(tx, missing)),
    nextIds<Command>(tx, 'notification_id', writing),
  ]);
  return { users, ids };
}

async function findUsers(tx: Tx, ids: number[]): Promise<KnownUser[]> {
  const rows = await tx<
    { id: bigint; email: string; locale: Locale }[]
  >`select * from known_users where id = any(${ids}::bigint[])`;
  return rows.map((row) => ({ ...row, id: Number(row.id) }));
}

function save(tx: Tx, _state: State, decisions: Decision[]): void {
  const users = decisions.flatMap((decision) => decision.user ?? []);
  const written = decisions.flatMap((decision) => decision.notification ?? []);
  if (users.length > 0) insertUsers(tx, users);
  if (written.length > 0) insertNotifications(tx, written);
}

function insertUsers(tx: Tx, users: KnownUser[]): void {
  void tx`
    insert into known_users (id, email, locale)
    select * from unnest(
      ${users.map((u) => u.id)}::bigint[], ${users.map((u) => u.email)}::text[], ${users.map((u) => u.locale)}::text[]
    )`;
}

function insertNotifications(tx: Tx, written: Notification[]): void {
  void tx`
    insert into notifications (id, user_id, order_id, email, subject, body, created_at)
    select * from unnest(
      ${written.map((n) => n.id)}::bigint[], ${written.map((n) => n.user_id)}::bigint[],
      ${written.map((n) => n.order_id)}::bigint[], ${written.map((n) => n.email)}::text[],
      ${written.map((n) => n.subject)}::text[], ${written.map((n) => n.body)}::text[],
      ${written.map((n) => n.created_at)}::timestamptz[]
    )`;
}
