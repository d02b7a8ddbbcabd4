/** What orders cost: CPU by process, transactions, write-ahead log, and how many share a transaction. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SERVICES } from '@stream-processing/contracts/names.ts';
import type { Sql } from '@stream-processing/runtime/sql.ts';
import type { Site } from './context.ts';
import { PRICE } from './load.ts';
import { readMetrics } from './metrics.ts';
import { cpuOfEndedChildren, cpuOfFamily } from './proc.ts';
import { post } from './seed.ts';

/** Totals so far, by name; a name is absent where the system does not tell. CPU in seconds, `wal` in bytes. */
export type Totals = Record<string, number | undefined>;

export async function readTotals(
  { product, sql }: Site,
  cluster: string,
  signal: AbortSignal,
): Promise<Totals> {
  const postmaster = Number((await readFile(path.join(cluster, 'postmaster.pid'), 'utf8')).split('\n')[0]);
  const totals: Totals = {
    postgres: await cpuOfFamily(postmaster),
    load: await cpuOfEndedChildren(),
    wal: await readWal(sql),
  };
  for (const service of SERVICES) {
    const metrics = await readMetrics(product.urls[service], signal);
    // The same for all four, which share a process.
    totals.node = metrics.sum('process_cpu_seconds_total');
    totals[`${service} commands`] = metrics.sum('pipeline_batch_commands_sum');
    totals[`${service} batches`] = metrics.sum('pipeline_batch_commands_count');
  }
  return totals;
}

async function readWal(sql: Sql): Promise<number> {
  const [row] = await sql<
    { wal: string }[]
  >`select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::text as wal`;
  return Number(row!.wal);
}

/** A connection reports its transactions to `pg_stat_database` at the end of one, when the last report is so old. */
const REPORT_MS = 1000;

/** Orders that `readTransactions` places itself. */
export const OCCASIONS = 64;

/** Transactions of the product's database so far, reads included. */
export async function readTransactions({ product, users, sql }: Site, signal: AbortSignal): Promise<number> {
  await delay(REPORT_MS + 100, undefined, { signal });
  // Some orders at once give each connection the occasion to report.
  const order = { user_id: users.first, price: PRICE };
  const place = () => post(`${product.urls['order-service']}/orders`, order, signal);
  await Promise.all(Array.from({ length: OCCASIONS }, place));
  const [row] = await sql<{ count: bigint }[]>`
    select xact_commit as count from pg_stat_database where datname = current_database()`;
  return Number(row!.count);
}
