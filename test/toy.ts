/** The smallest service that uses all of the runtime: counters, by user, that publish each step. */
import { Bus } from '@stream-processing/runtime/announcements.ts';
import { createCursors } from '@stream-processing/runtime/cursors.ts';
import { migrate } from '@stream-processing/runtime/migrate.ts';
import { Pipeline, type PipelineOptions } from '@stream-processing/runtime/pipeline.ts';
import type { Committed } from '@stream-processing/runtime/share.ts';
import { connect, type Sql, schemaOf } from '@stream-processing/runtime/sql.ts';
import type { Work } from '@stream-processing/runtime/work.ts';
import { onTestFinished } from 'vitest';
import { createDatabase } from './database.ts';

export const TOY = 'billing-service';
export const TOY_SOURCE = 'order-service';
export const PARTITIONS = 4;

export interface Add {
  user_id: number;
  by: number;
}

export interface ToyDecision {
  missing?: true;
  user_id: number;
  value: number;
  events?: { type: string; user_id: number; data: { value: number } }[];
}

type Counters = Map<number, number>;

/** By 0 cannot be decided, a value of 1000 cannot be saved, and a user above 900 is never known. */
export const toyWork: Work<Counters, Add, ToyDecision> = {
  empty: () => new Map(),
  async load(tx, state, commands) {
    const ids = [...new Set(commands.map((command) => command.user_id))].filter((id) => !state.has(id));
    const rows = await tx<{ user_id: bigint; value: bigint }[]>`
      select * from counters where user_id = any(${ids}::bigint[]) order by user_id for update`;
    for (const row of rows) state.set(Number(row.user_id), Number(row.value));
  },
  decide(state, { user_id, by }) {
    if (by === 0) throw new Error('nothing to add');
    if (user_id > 900) return { missing: true, user_id, value: 0 };
    const value = (state.get(user_id) ?? 0) + by;
    return { user_id, value, events: [{ type: 'Added', user_id, data: { value } }] };
  },
  apply: (state, decision) => void state.set(decision.user_id, decision.value),
  save(tx, state, decisions) {
    const ids = [...new Set(decisions.map((decision) => decision.user_id))];
    void tx`
      insert into counters
      select * from unnest(${ids}::bigint[], ${ids.map((id) => state.get(id)!)}::bigint[])
      on conflict (user_id) do update set value = excluded.value`;
  },
};

export async function createToy() {
  const url = await createDatabase();
  const folder = new URL('./toy-migrations/', import.meta.url);
  await migrate(url, TOY, folder, { partitions: PARTITIONS, currency: 'RUB' });
  const sql = connectFor(url);
  await createCursors(sql, [TOY_SOURCE], PARTITIONS);
  const bus = new Bus();
  onTestFinished(() => bus.close());
  return { url, sql, bus };
}

export function connectFor(url: string, max = 4): Sql {
  const sql = connect(url, { max, name: 'test', schema: schemaOf(TOY), writes: true });
  onTestFinished(() => sql.end());
  return sql;
}

type Options = Partial<PipelineOptions<Counters, Add, ToyDecision>>;

export function toyPipeline(sql: Sql, options: Options = {}) {
  const commits: Committed<ToyDecision>[] = [];
  const pipeline = new Pipeline<Counters, Add, ToyDecision>({
    sql,
    service: TOY,
    schema: schemaOf(TOY),
    partitions: PARTITIONS,
    work: toyWork,
    announce: () => {},
    onCommit: (committed) => void commits.push(committed),
    ...options,
  });
  return { pipeline, commits };
}

export function add(user_id: number, by = 1) {
  return { command: { user_id, by }, trace: null };
}

export async function counter(sql: Sql, user_id: number): Promise<number | undefined> {
  const [row] = await sql<{ value: bigint }[]>`select value from counters where user_id = ${user_id}`;
  return row && Number(row.value);
}

export async function positions(sql: Sql, partition: number): Promise<number[]> {
  const rows = await sql<
    { position: bigint }[]
  >`select position from log where partition = ${partition} order by position`;
  return rows.map((row) => Number(row.position));
}
