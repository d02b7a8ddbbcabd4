/**
 * PostgreSQL by tagged templates: sql`select … where id = ${id}` is parsed once per connection (a named prepared
 * statement) and its values never become text of the statement. Statements of one transaction are sent at once, in the
 * order of their calls, and need not wait for one another's answers (pipelining).
 */
import pg from 'pg';
import { normalize } from './sql-errors.ts';
import { type Rows, statement } from './sql-query.ts';

export interface Tx {
  <T extends Rows = Rows>(strings: TemplateStringsArray, ...values: unknown[]): Promise<T>;
  /** Statements without values, as text. */
  unsafe(text: string): Promise<Rows>;
}

export interface Sql extends Tx {
  /** Commits what `work` did once it resolves; rolls it back when it rejects. */
  begin<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** Waits for running statements, but not for ever. */
  end(): Promise<void>;
}

export interface SqlOptions {
  /** Connections at most. */
  max: number;
  /** Shown in `pg_stat_activity`. */
  name: string;
  /** Tables are looked up in this schema alone. */
  schema: string;
  /** Give up every right but this role's. */
  role?: string;
  /** Keep connections open for ever: what they hold (locks, prepared plans) is worth it. */
  lasting?: boolean;
  /** A pipeline's connection: a transaction whose client vanished must not hold its locks for long. */
  writes?: boolean;
  /** A connection was lost or closed. */
  onclose?: () => void;
}

const CONNECT_MS_MAX = 10_000;
const IDLE_MS = 60_000;
const END_MS_MAX = 5000;

/** A pool on one schema. `int8` arrives as bigint, `timestamptz` as Date. */
export function connect(url: string, options: SqlOptions): Sql {
  const pool = new pg.Pool({
    connectionString: url,
    max: options.max,
    application_name: options.name,
    connectionTimeoutMillis: CONNECT_MS_MAX,
    idleTimeoutMillis: options.lasting ? 0 : IDLE_MS,
    keepAlive: true,
    // Answers come in order, so a transaction need not wait for one statement before it sends the next.
    pipeline: true,
    types: { getTypeParser },
    options: sessionOptions(options),
  } as pg.PoolConfig);
  // A connection that is lost while nothing runs on it is no error: the next statement opens another.
  pool.on('error', () => {});
  pool.on('connect', (client) => void client.on('error', () => {}));
  if (options.onclose) pool.on('remove', options.onclose);

  return Object.assign(tagFor(pool), {
    begin: <T>(work: (tx: Tx) => Promise<T>) => transaction(pool, work),
    end: () => endPool(pool),
  });
}

/** The schema that holds a service's tables. */
export function schemaOf(service: string): string {
  return service.replaceAll('-', '_');
}

function tagFor(target: pg.Pool | pg.PoolClient): Tx {
  const tag = <T extends Rows>(strings: TemplateStringsArray, ...values: unknown[]) =>
    run<T>(target, statement(strings, values));
  return Object.assign(tag, { unsafe: (text: string) => run(target, { text }) });
}

async function endPool(pool: pg.Pool): Promise<void> {
  if (pool.ending) return;
  const late = new Promise<void>((resolve) => setTimeout(resolve, END_MS_MAX).unref());
  await Promise.race([pool.end(), late]);
}

async function run<T extends Rows>(target: pg.Pool | pg.PoolClient, query: pg.QueryConfig): Promise<T> {
  try {
    return (await target.query(query)).rows as T;
  } catch (error) {
    throw normalize(error);
  }
}

async function transaction<T>(pool: pg.Pool, work: (tx: Tx) => Promise<T>): Promise<T> {
  const client = await pool.connect().catch((error) => {
    throw normalize(error);
  });
  let broken = false;
  try {
    const tx = tagFor(client);
    // Not awaited: it travels with the first statements of `work`.
    const begun = tx.unsafe('begin');
    begun.catch(() => {});
    const result = await work(tx);
    await begun;
    await commit(client);
    return result;
  } catch (error) {
    // An open transaction must not go back to the pool; a connection that cannot roll back is given up.
    broken = await client.query('rollback').then(
      () => false,
      () => true,
    );
    throw error;
  } finally {
    client.release(broken);
  }
}

async function commit(client: pg.PoolClient): Promise<void> {
  const { command } = await client.query('commit').catch((error) => {
    throw normalize(error);
  });
  // PostgreSQL answers a commit of a failed transaction by rolling it back.
  if (command !== 'COMMIT') throw new Error(`commit ended in ${command}`);
}

function sessionOptions({ schema, role, writes }: SqlOptions): string {
  const settings = {
    search_path: schema,
    // Planned once a connection: planning each time took a third of a small transaction. A plan made while its table is
    // tiny would keep a sequential scan for ever, so those are ruled out wherever an index serves; and a join with the
    // rows of a batch also names their keys (`id = any(…)`), so that no order of the join can read the whole table.
    plan_cache_mode: 'force_generic_plan',
    enable_seqscan: 'off',
    ...(writes ? { idle_in_transaction_session_timeout: '10s', lock_timeout: '10s' } : {}),
    ...(role ? { role } : {}),
  };
  return Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value}`)
    .join(' ');
}

const INT8 = 20;

function getTypeParser(oid: number, format?: 'text' | 'binary') {
  return oid === INT8 ? BigInt : pg.types.getTypeParser(oid, format as 'text');
}
