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
  type Letter,
  type Notification,
  type State,
} from './decide.ts';

export function work(): Work<State, Command, Decision> {
  const users = new KeptRows<KnownUser>();
  return {
    empty: () => ({ users: new Map(), ids: new Map() }),
    load: (tx, state, commands) => load(tx, state, commands, users),
    decide,
    apply,
    save,
  };
}

/** Nothing to lock: what is known of a user never changes, and a notification is only ever added. */
async function load(tx: Tx, state: State, commands: Command[], known: KeptRows<KnownUser>): Promise<void> {
  const writing = commands.filter((command) => command.type !== 'RememberUser');
  const user_ids = writing.map((command) => command.user_id).filter((id) => !state.users.has(id));
  const [users, ids] = await Promise.all([
    known.find(user_ids, (missing) => findUsers(tx, missing)),
    nextIds<Command>(
      tx,
      'notification_id',
      writing.filter((command) => command.type === 'Notify'),
    ),
  ]);
  for (const user of users.values()) state.users.set(user.id, user);
  for (const [command, id] of ids) state.ids.set(command, id);
}

async function findUsers(tx: Tx, ids: number[]): Promise<KnownUser[]> {
  const rows = await tx<
    { id: bigint; email: string; locale: Locale }[]
  >`select * from known_users where id = any(${ids}::bigint[])`;
  return rows.map((row) => ({ ...row, id: Number(row.id) }));
}

function save(tx: Tx, _state: State, decisions: Decision[]): void {
  const users = decisions.flatMap((decision) => decision.user ?? []);
  const written = decisions.flatMap((decision) => decision.notification ?? decision.letter ?? []);
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

function insertNotifications(tx: Tx, written: (Notification | Letter)[]): void {
  void tx`
    insert into notifications (id, user_id, order_id, email, subject, body, created_at)
    select coalesce(n.id, nextval('notification_id')), n.user_id, n.order_id, n.email, n.subject, n.body, n.created_at
    from unnest(
      ${written.map((n) => ('id' in n ? n.id : null))}::bigint[], ${written.map((n) => n.user_id)}::bigint[],
      ${written.map((n) => n.order_id)}::bigint[], ${written.map((n) => n.email)}::text[],
      ${written.map((n) => n.subject)}::text[], ${written.map((n) => n.body)}::text[],
      ${written.map((n) => n.created_at)}::timestamptz[]
    ) as n (id, user_id, order_id, email, subject, body, created_at)`;
}
