import { nextIds } from '@stream-processing/runtime/ids.ts';
import type { Tx } from '@stream-processing/runtime/sql.ts';
import type { Work } from '@stream-processing/runtime/work.ts';
import { addressKey, apply, type Command, type Decision, decide, type State } from './decide.ts';

export const work: Work<State, Command, Decision> = { empty, load, decide, apply, save };

function empty(): State {
  return { taken: new Set(), ids: new Map() };
}

/** Nothing to lock: two instances that create one address at once meet at its unique index, and the second decides again. */
async function load(tx: Tx, state: State, commands: Command[]): Promise<void> {
  const addresses = commands.map((command) => addressKey(command.email));
  const [taken, ids] = await Promise.all([
    tx<
      { email: string }[]
    >`select lower(email) as email from users where lower(email) = any(${addresses}::text[])`,
    nextIds(tx, 'user_id', commands),
  ]);
  for (const { email } of taken) state.taken.add(email);
  for (const [command, id] of ids) state.ids.set(command, id);
}

function save(tx: Tx, _state: State, decisions: Decision[]): void {
  const users = decisions.flatMap((decision) => (decision.outcome === 'created' ? decision.user : []));
  if (users.length === 0) return;
  void tx`
    insert into users (id, email, name, locale, created_at)
    select * from unnest(
      ${users.map((u) => u.id)}::bigint[], ${users.map((u) => u.email)}::text[], ${users.map((u) => u.name)}::text[],
      ${users.map((u) => u.locale)}::text[], ${users.map((u) => u.created_at)}::timestamptz[]
    )`;
}
