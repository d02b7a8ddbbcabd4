/**
 * PostgreSQL by tagged templates: sql`select … where id = ${id}` is parsed once per connection (a named prepared
 * statement) and its values never become text of the statement. Statements that a transaction asks for before it awaits
 * one travel together, in the order of their calls.
 */
import pg from 'pg';
import { endWhenSilent, NOTICE_VANISHED } from './silence.ts';
import { ConnectionLost, isConnectionLoss, isReadOnly, normalize } from './sql-errors.ts';
import { type Answer, Group, type Prepared } from './sql-group.ts';
import { type Rows, type Statement, statement } from './sql-query.ts';

type Tag = <T extends Rows = Rows>(strings: TemplateStringsArray, ...values: unknown[]) => Promise<T>;

interface Query extends Tag {
  /** Statements without values, as text. */
  unsafe(text: string): Promise<Rows>;
}

export interface Tx extends Query {
  /** A statement whose answer comes before those that travel with it are done. */
  prompt: Tag;
  /** The same transaction, for statements on the tables of another schema. */
  in(schema: string): Tx;
}

export interface Sql extends Query {
  /**
   * Commits what `work` did once it resolves; rolls it back when it rejects. Statements whose answers `work` does not
   * await travel with the commit, which fails when one of them does.
   */
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
  /** A pipeline's connection. */
  writes?: boolean;
  /** How long one of its statements waits for a lock at most; default 10,000. */
  lock_ms_max?: number;
  /** A connection on which a statement gets no answer for so long is lost; without it, never. */
  silent_ms_max?: number;
  /** PostgreSQL ends a connection that asks nothing for so long, and lets go of what it locked. */
  idle_ms_max?: number;
  /** Take also a server that follows another one, and may be behind it. */
  standby?: boolean;
  /** A connection was lost or closed. */
  onclose?: () => void;
}

const CONNECT_MS_MAX = 10_000;
const IDLE_MS = 60_000;
const END_MS_MAX = 5000;
const LOCK_MS_MAX = 10_000;

/** A pool on one schema. `int8` arrives as bigint, `timestamptz` as Date. */
export function connect(url: string, options: SqlOptions): Sql {
  const pool = new pg.Pool({
    connectionString: url,
    max: options.max,
    application_name: options.name,
    connectionTimeoutMillis: CONNECT_MS_MAX,
    idleTimeoutMillis: options.lasting ? 0 : IDLE_MS,
    keepAlive: true,
    options: sessionOptions(options),
    ...(options.standby ? {} : { onConnect: refuseStandby }),
  });
  // A connection that is lost while nothing runs on it is no error: the next statement opens another.
  pool.on('error', () => {});
  const { silent_ms_max } = options;
  pool.on('connect', (client) => {
    client.on('error', () => {});
    if (silent_ms_max !== undefined) endWhenSilent(client, silent_ms_max);
  });
  if (options.onclose) pool.on('remove', options.onclose);
  return sqlOn(pool, options.schema);
}

/**
 * For a while after a failover an address may lead to a server that only follows: it takes locks of its own and answers every
 * read, late, and a connection that lasts would stay with it.
 */
async function refuseStandby(client: pg.ClientBase): Promise<void> {
  const asked = { text: 'select pg_is_in_recovery() as follows', query_timeout: CONNECT_MS_MAX };
  const { rows } = await client.query<{ follows: boolean }>(asked);
  if (rows[0]!.follows) throw new ConnectionLost(new Error('the server is a standby'));
}

/** Statements on the connections of a pool, each of which looks up its tables in `schema`. */
export function sqlOn(pool: pg.Pool, schema: string): Sql {
  return Object.assign(tagFor(pool), {
    begin: <T>(work: (tx: Tx) => Promise<T>) => transaction(pool, schema, work),
    end: () => endPool(pool),
  });
}

/** The schema that holds a service's tables. */
export function schemaOf(service: string): string {
  return service.replaceAll('-', '_');
}

function tagFor(pool: pg.Pool): Query {
  const tag = <T extends Rows>(strings: TemplateStringsArray, ...values: unknown[]) => {
    const asked = statement(strings, values);
    return withClient(pool, async (client) => {
      const group = new Group(preparedBy(client), typeParser);
      const answer = group.add(asked);
      client.query(group);
      return (await answer).rows as T;
    });
  };
  return Object.assign(tag, {
    unsafe: (text: string) => withClient(pool, (client) => asText(client, text)),
  });
}

async function withClient<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect().catch(rejectNormalized);
  let isLost = false;
  try {
    return await work(client);
  } catch (error) {
    // The pool itself throws away a broken one, but not one to a server that takes no writes any more.
    isLost = isConnectionLoss(error) || isReadOnly(error);
    throw error;
  } finally {
    client.release(isLost);
  }
}

async function endPool(pool: pg.Pool): Promise<void> {
  if (pool.ending) return;
  const late = new Promise<void>((resolve) => setTimeout(resolve, END_MS_MAX).unref());
  await Promise.race([pool.end(), late]);
}

function transaction<T>(pool: pg.Pool, schema: string, work: (tx: Tx) => Promise<T>): Promise<T> {
  return withClient(pool, async (client) => {
    const { ask, abandon, tx } = transactionOn(client, schema);
    try {
      // Not awaited: it travels with the first statements of `work`.
      void ask(BEGIN);
      const result = await work(tx);
      const { command } = await ask(COMMIT);
      // PostgreSQL answers a commit of a failed transaction by rolling it back.
      if (command !== 'COMMIT') throw new Error(`commit ended in ${command}`);
      return result;
    } catch (error) {
      abandon();
      // An open transaction must not go back to the pool; a connection that cannot roll back is given up.
      await client.query('rollback').catch(() => void client.end().catch(() => {}));
      throw error;
    }
  });
}

const BEGIN: Statement = { name: 'begin', text: 'begin', values: [] };
const COMMIT: Statement = { name: 'commit', text: 'commit', values: [] };

/** Gathers statements until the code that asks them pauses, then sends them as one group. `own`: the connection's schema. */
function transactionOn(client: pg.PoolClient, own: string) {
  let group: Group | undefined;
  /** Where the next statement will look up its tables. */
  let current = own;

  function ask(asked: Statement): Promise<Answer> {
    if (!group) {
      group = new Group(preparedBy(client), typeParser);
      // Runs once all promise callbacks of this turn have: the last statements and the commit go together.
      process.nextTick(send);
    }
    return group.add(asked);
  }

  function send() {
    if (group) client.query(group);
    group = undefined;
  }

  /** What is not sent yet must not run after a rollback, outside of any transaction. */
  function abandon() {
    group?.handleError(new Error('the transaction was given up'));
    group = undefined;
  }

  function enter(schema: string) {
    if (schema !== current) void ask(lookUpIn(schema));
    current = schema;
  }

  function txOn(schema: string): Tx {
    const tag =
      (isPrompt: boolean) =>
      <T extends Rows>(strings: TemplateStringsArray, ...values: unknown[]) => {
        enter(schema);
        const asked = { ...inSchema(statement(strings, values), schema, own), isPrompt };
        const rows = ask(asked).then((answer) => answer.rows as T);
        // What nobody awaits fails the commit, which somebody awaits.
        rows.catch(() => {});
        return rows;
      };
    const unsafe = (text: string) => {
      enter(schema);
      send();
      return asText(client, text);
    };
    return Object.assign(tag(false), { prompt: tag(true), unsafe, in: txOn }) as Tx;
  }

  return { ask, abandon, tx: txOn(own) };
}

/** Until the transaction ends. About 5 µs, where a plan that meets another path than its own would be made anew. */
function lookUpIn(schema: string): Statement {
  const text = `set local search_path to ${pg.escapeIdentifier(schema)}`;
  return { name: `in ${schema}`, text, values: [] };
}

/** The same text is another statement in another schema: a prepared one keeps the tables that it was planned for. */
function inSchema(asked: Statement, schema: string, own: string): Statement {
  return schema === own ? asked : { ...asked, name: `${schema} ${asked.name}` };
}

async function asText(client: pg.PoolClient, text: string): Promise<Rows> {
  return (await client.query(text).catch(rejectNormalized)).rows;
}

function rejectNormalized(error: unknown): Promise<never> {
  return Promise.reject(normalize(error));
}

const preparedStatements = new WeakMap<pg.PoolClient, Prepared>();

function preparedBy(client: pg.PoolClient): Prepared {
  const known = preparedStatements.get(client);
  if (known) return known;
  const prepared: Prepared = new Map();
  preparedStatements.set(client, prepared);
  return prepared;
}

function sessionOptions({
  schema,
  role,
  writes,
  lock_ms_max = LOCK_MS_MAX,
  idle_ms_max,
}: SqlOptions): string {
  const settings = {
    search_path: schema,
    // Planned once a connection: planning each time took a third of a small transaction. A plan made while its table is
    // tiny would keep a sequential scan for ever, so those are ruled out wherever an index serves; and a join with the
    // rows of a batch also names their keys (`id = any(…)`), so that no order of the join can read the whole table.
    plan_cache_mode: 'force_generic_plan',
    enable_seqscan: 'off',
    // For long reports; where a plan only looks expensive it costs tens of milliseconds.
    jit: 'off',
    // A batch's rows are joined with the rows of its keys: as many on both sides, which is what loops in loops are worst at.
    ...(writes
      ? {
          enable_nestloop: 'off',
          lock_timeout: `${lock_ms_max}ms`,
          // A transaction whose client vanished must not hold its locks for long.
          idle_in_transaction_session_timeout: '10s',
        }
      : {}),
    ...(idle_ms_max === undefined ? {} : { idle_session_timeout: `${idle_ms_max}ms` }),
    ...(role ? { role } : {}),
    ...NOTICE_VANISHED,
  };
  return asOptions(settings);
}

/** Settings of a session, as a connection is opened with them. */
export function asOptions(settings: Record<string, string | number>): string {
  return Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value}`)
    .join(' ');
}

const INT8 = 20;

function typeParser(oid: number): (text: string) => unknown {
  return oid === INT8 ? BigInt : pg.types.getTypeParser(oid, 'text');
}
