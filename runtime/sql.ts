import postgres from 'postgres';

export type Sql = postgres.Sql<{ bigint: bigint }>;
export type Tx = postgres.TransactionSql<{ bigint: bigint }>;

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
  onclose?: () => void;
}

/** A pool on one schema. `int8` arrives as bigint; `timestamptz` as Date. */
export function connect(url: string, options: SqlOptions): Sql {
  return postgres(url, {
    max: options.max,
    connect_timeout: 10,
    idle_timeout: options.lasting ? 0 : 60,
    max_lifetime: options.lasting ? null : 60 * 30,
    types: { bigint: postgres.BigInt },
    onnotice: () => {},
    ...(options.onclose ? { onclose: options.onclose } : {}),
    connection: {
      application_name: options.name,
      search_path: options.schema,
      // A statement prepared while its table is tiny would keep its sequential scan for ever as a generic plan.
      plan_cache_mode: 'force_custom_plan',
      ...(options.writes ? { idle_in_transaction_session_timeout: 10_000, lock_timeout: 10_000 } : {}),
      ...(options.role ? { role: options.role } : {}),
    },
  });
}

/** Values of one column for `unnest(…::type[])`: the driver would take an array of bigint or Date for a single value. */
export function column(values: (bigint | Date)[]): string[] {
  return values.map((value) => (typeof value === 'bigint' ? value.toString() : value.toISOString()));
}

/** The schema that holds a service's tables. */
export function schemaOf(service: string): string {
  return service.replaceAll('-', '_');
}

/** May the same transaction succeed when it is tried again? */
export function isTransient(error: unknown): boolean {
  const code = codeOf(error);
  return isConnectionLoss(error) || code === UNIQUE_VIOLATION || TRANSIENT.has(code);
}

/** The connection was lost or could not be had; whether a commit under way took effect is not known. */
export function isConnectionLoss(error: unknown): boolean {
  const code = codeOf(error);
  // Class 57P: the server is shutting down, crashed or still starting; class 08: connection exceptions.
  return code.startsWith('CONN') || code.startsWith('57P') || code.startsWith('08') || NETWORK.has(code);
}

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

// Two writers met at a unique key: the second try sees the first one's row and decides anew.
const UNIQUE_VIOLATION = '23505';
// serialization_failure, deadlock_detected, lock_not_available, too_many_connections, query_canceled (statement timeout)
const TRANSIENT = new Set(['40001', '40P01', '55P03', '53300']);
const NETWORK = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
