import { SERVICES } from '@stream-processing/contracts/names.ts';
import { markOf } from '../check.ts';
import { OCCASIONS, readTotals, readTransactions, type Totals } from '../cost.ts';
import { placeOrders } from '../load.ts';
import { checkOrders } from '../orders.ts';
import type { Row } from '../report.ts';
import type { Case } from './case.ts';

/** Orders as in `ours`, with a look at what they took from whom. */
export function costAt(connections: number, options: Pick<Case, 'fullOnly'> = {}): Case {
  return {
    name: `cost-${connections}`,
    ...options,
    async run({ site: getSite, cluster, size, folder, signal }, round) {
      const site = await getSite();
      const { product, users, sql } = site;
      const transactionsBefore = await readTransactions(site, signal);
      const mark = await markOf(sql);
      const before = await readTotals(site, cluster, signal);
      const url = product.urls['order-service'];
      const options = { url, users, connections, seconds: size.seconds, seed: round, folder, signal };
      const load = await placeOrders(options);
      const after = await readTotals(site, cluster, signal);
      const transactions = (await readTransactions(site, signal)) - transactionsBefore;
      const accepted = load.accepted + OCCASIONS;
      await checkOrders(site, mark, { accepted, unknown: load.errors + connections }, signal);
      return rowsOf(`at ${connections}`, before, after, load.accepted, transactions);
    },
  };
}

function rowsOf(where: string, before: Totals, after: Totals, orders: number, transactions: number): Row[] {
  const grown = (name: string) => (after[name] ?? Number.NaN) - (before[name] ?? Number.NaN);
  const cpu = (name: string, key: string): Row => {
    const value = (grown(key) / orders) * 1e6;
    const row = { name: `cost ${where}: CPU of ${name}`, value, unit: 'µs/order' };
    return Number.isNaN(value) ? { ...row, note: 'not available here' } : row;
  };
  return [
    cpu('Node, four services', 'node'),
    cpu('PostgreSQL', 'postgres'),
    cpu('the load generator', 'load'),
    {
      name: `cost ${where}: transactions`,
      value: transactions / orders,
      unit: 'per order',
      note: 'reads and announcements included',
    },
    { name: `cost ${where}: write-ahead log`, value: grown('wal') / orders, unit: 'bytes/order' },
    ...SERVICES.filter((service) => grown(`${service} batches`) > 0).map(
      (service): Row => ({
        name: `cost ${where}: batch of ${service}`,
        value: grown(`${service} commands`) / grown(`${service} batches`),
        unit: 'commands/transaction',
      }),
    ),
  ];
}
