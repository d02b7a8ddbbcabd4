/** One measured run of orders against an installation, with the check that makes its figures count. */
import { CheckFailed, check, markOf, untilSettled } from './check.ts';
import type { Site } from './context.ts';
import { type Load, type LoadOptions, PRICE, placeOrders } from './load.ts';
import type { Row } from './report.ts';
import { post } from './seed.ts';

type Options = Pick<LoadOptions, 'connections' | 'seconds' | 'folder' | 'signal'> & {
  round: number;
  /** Instead of those of the site. */
  users?: LoadOptions['users'];
};

/** Rejects with CheckFailed when orders, debits and letters do not agree afterwards. */
export async function measureOrders(site: Site, { round, ...options }: Options): Promise<Load> {
  const mark = await markOf(site.sql);
  const url = site.product.urls['order-service'];
  const load = await placeOrders({ users: site.users, ...options, url, seed: round });
  if (load.accepted === 0) throw new CheckFailed(`no order was accepted; errors: ${load.errors}`);
  await checkOrders(site, mark, { ...load, unknown: load.errors + options.connections }, options.signal);
  return load;
}

/** `unknown`: orders that may have been placed without a reply that says so. */
export async function checkOrders(
  { product, users, sql }: Pick<Site, 'users' | 'sql'> & { product: Pick<Site['product'], 'urls'> },
  mark: Awaited<ReturnType<typeof markOf>>,
  load: { accepted: number; unknown: number },
  signal: AbortSignal,
): Promise<void> {
  // One more order: it goes through the pipeline after all that the load left there.
  await post(`${product.urls['order-service']}/orders`, { user_id: users.first, price: PRICE }, signal);
  await untilSettled(sql, mark, signal);
  await check(sql, mark, { accepted: load.accepted + 1, unknown: load.unknown });
}

export function ordersRow(name: string, load: Load, more: Partial<Row> = {}): Row {
  const { accepted, seconds, ...rest } = load;
  return { name, value: accepted / seconds, unit: 'orders/s', ...rest, ...more };
}
