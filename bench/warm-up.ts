import type { Case } from './cases/case.ts';
import type { Context } from './context.ts';
import { measureOrders } from './orders.ts';

const SECONDS = { full: 4, quick: 2 };
const CONNECTIONS = 64;

/** Without figures: code that is compiled while it runs, plans and caches. What fails here is told all the same. */
export async function warmUp(context: Context, cases: Case[]): Promise<[]> {
  const { site, baseline, size, folder, signal, progress } = context;
  const seconds = size.quick ? SECONDS.quick : SECONDS.full;
  const wanted = (beginning: RegExp) => cases.some(({ name }) => beginning.test(name));
  if (wanted(/^baseline/)) {
    progress('warm-up of the SQL by hand');
    await (await baseline()).run(size.users, seconds);
  }
  if (wanted(/^(ours|hot-account|cost|mixed|overload|level)/)) {
    const warm = await site();
    progress('warm-up of the product');
    await measureOrders(warm, { connections: CONNECTIONS, seconds, folder, signal, round: 0 });
  }
  return [];
}
