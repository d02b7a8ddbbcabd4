import type { Sql } from './sql.ts';
import { isConnectionLoss } from './sql-errors.ts';

const DEADLINE_MS = 10_000;
const PAUSE_MS = 50;

/**
 * What became of a transaction whose commit was never answered, asked of PostgreSQL by its id
 * (`pg_xact_status`). `unknown`: the server could not be asked in time, or has forgotten so old an id.
 */
export async function fateOf(sql: Sql, xid: string): Promise<'committed' | 'aborted' | 'unknown'> {
  const deadline = performance.now() + DEADLINE_MS;
  while (performance.now() < deadline) {
    try {
      const [row] = await sql<
        { status: string | null }[]
      >`select pg_xact_status(${xid}::text::xid8) as status`;
      if (row!.status === 'committed' || row!.status === 'aborted') return row!.status;
      if (row!.status === null) return 'unknown';
    } catch (error) {
      if (!isConnectionLoss(error)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  return 'unknown';
}
