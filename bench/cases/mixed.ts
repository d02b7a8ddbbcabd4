import path from 'node:path';
import type { Sql } from '@stream-processing/runtime/sql.ts';
import { CheckFailed, type Mark, markOf } from '../check.ts';
import { PRICE } from '../load.ts';
import { KINDS, type MixedJob, type MixedLoad } from '../mixed-load.ts';
import { checkOrders } from '../orders.ts';
import { ROOT } from '../program.ts';
import type { Row } from '../report.ts';
import { run } from '../tools.ts';
import type { Case } from './case.ts';

const CALLERS = 256;

/** 70 % orders, 10 % deposits, 10 % letters and 10 % statements, of random users. */
export const mixed: Case = {
  name: 'mixed',
  async run({ site: getSite, size, signal }) {
    const site = await getSite();
    const { product, users, sql } = site;
    const job: MixedJob = {
      orders: product.urls['order-service'],
      billing: product.urls['billing-service'],
      notifications: product.urls['notification-service'],
      users,
      callers: CALLERS,
      seconds: size.seconds,
      price: PRICE,
    };
    const mark = await markOf(sql);
    const program = path.join(ROOT, 'bench', 'mixed-load.ts');
    const load: MixedLoad = JSON.parse(
      await run(process.execPath, [program, JSON.stringify(job)], { signal }),
    );
    const { accepted, errors } = load.orders;
    await checkOrders(site, mark, { accepted, unknown: errors }, signal);
    await checkDeposits(sql, mark, load);
    return rowsOf(load);
  },
};

async function checkDeposits(sql: Sql, mark: Mark, { deposits }: MixedLoad): Promise<void> {
  const [row] = await sql<{ count: bigint }[]>`
    select count(*) from billing_service.transfers where id > ${mark.transfer} and kind = 'deposit'`;
  const count = Number(row!.count);
  if (count < deposits.accepted || count > deposits.accepted + deposits.errors) {
    throw new CheckFailed(`${count} deposits, ${deposits.accepted} accepted, ${deposits.errors} unknown`);
  }
}

function rowsOf(load: MixedLoad): Row[] {
  const all = KINDS.reduce((sum, kind) => sum + load[kind].accepted, 0);
  const note = `${CALLERS} callers, a generator of our own on plain sockets`;
  return [
    { name: 'mixed: all requests', value: all / load.seconds, unit: 'requests/s', note },
    ...KINDS.map((kind): Row => {
      const { accepted, errors, p50_ms, p99_ms, p999_ms } = load[kind];
      const value = accepted / load.seconds;
      return { name: `mixed: ${kind}`, value, unit: 'requests/s', p50_ms, p99_ms, p999_ms, errors };
    }),
  ];
}
