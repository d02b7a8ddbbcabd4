import type { Sql, Tx } from './sql.ts';
import { codeOf } from './sql-errors.ts';

const DEADLINE_MS = 10_000;
const PAUSE_MS = 50;
/** invalid_parameter_value: "transaction ID … is in the future". */
const IN_THE_FUTURE = '22023';

/** What a transaction is asked for by, after its connection broke. */
export interface TransactionId {
  xid: string;
  /** Of the server, since it was started last or recovered from a crash. */
  incarnation: string;
}

/** Read within the transaction, with its first statements, and known before the rest of them is done. */
export async function identify(tx: Tx): Promise<TransactionId> {
  const [row] = await tx.prompt<TransactionId[]>`
    select pg_current_xact_id()::text as xid,
      concat(pg_postmaster_start_time(), ' ', pg_stat_get_bgwriter_stat_reset_time()) as incarnation`;
  return row!;
}

/**
 * What became of a transaction whose commit was never answered, asked of PostgreSQL by its id (`pg_xact_status`).
 * `unknown`: the server could not be asked in time, has forgotten so old an id, or crashed in between: an id of which
 * nothing had reached the disk is then given to another transaction, whose commit must not be taken for ours. (A crash
 * resets the statistics of the server, which tells it where the server's own start does not.) An id that the server has
 * not given yet is from before a crash too, and of its transaction nothing is left.
 */
export async function fateOf(
  sql: Sql,
  { xid, incarnation }: TransactionId,
): Promise<'committed' | 'aborted' | 'unknown'> {
  const deadline = performance.now() + DEADLINE_MS;
  while (performance.now() < deadline) {
    try {
      const [row] = await sql<{ status: string | null; incarnation: string }[]>`
        select pg_xact_status(${xid}::text::xid8) as status,
          concat(pg_postmaster_start_time(), ' ', pg_stat_get_bgwriter_stat_reset_time()) as incarnation`;
      const { status } = row!;
      if (status === 'aborted') return 'aborted';
      if (status === 'committed') return row!.incarnation === incarnation ? 'committed' : 'unknown';
      if (status === null) return 'unknown';
    } catch (error) {
      if (codeOf(error) === IN_THE_FUTURE) return 'aborted';
      // Whatever else keeps it from answering must not pass for "nothing was committed".
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  return 'unknown';
}
