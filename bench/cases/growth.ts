import type { Site } from '../context.ts';
import { createHistorySite } from '../history-site.ts';
import type { Load } from '../load.ts';
import { measureOrders, ordersRow } from '../orders.ts';
import { measurePages } from '../pages.ts';
import { figureText, type Row } from '../report.ts';
import { percentile } from '../statistics.ts';
import type { Case } from './case.ts';

/** Orders, and how many of them belong to one user. With its payment, letter and two events each makes five rows. */
const SIZES = {
  full: { rows: 10_000_000, deepRows: 1_000_000, repetitions: 3, connections: [64, 256], gets: 200 },
  quick: { rows: 40_000, deepRows: 20_000, repetitions: 1, connections: [256], gets: 50 },
};
const ROWS_PER_ORDER = 5;
const DEEP_USER = 1;
const WARM_UP = { connections: 64, seconds: 1 };

/** An installation with a long past next to one without: orders, and lists of a user who has half of that past. */
export const growth: Case = {
  name: 'growth',
  once: true,
  async run(context, round) {
    const { size, folder, signal, progress, postgres } = context;
    const { rows, deepRows, repetitions, connections: levels, gets } = size.quick ? SIZES.quick : SIZES.full;
    const users = { deepUser: DEEP_USER, users: size.users };
    const past = `${figureText(rows)} orders (${figureText(rows * ROWS_PER_ORDER)} rows)`;
    const fresh = await createHistorySite(context, 'fresh', { ...users, rows: 1, deepRows: 0 });
    const grown = await createHistorySite(context, 'grown', { ...users, rows, deepRows });
    try {
      const sites = { fresh: await fresh.start(), grown: await grown.start() };
      const measure = async (site: Site, connections: number, seconds: number) =>
        measureOrders(site, { connections, seconds, folder, signal, round });
      for (const site of Object.values(sites)) await measure(site, WARM_UP.connections, WARM_UP.seconds);
      const figures: Row[] = [];
      for (const connections of levels) {
        const loads: Record<'fresh' | 'grown', Load[]> = { fresh: [], grown: [] };
        for (let i = 0; i < repetitions; i += 1) {
          // In turn, and each first as often as the other.
          for (const name of i % 2 === 0 ? (['fresh', 'grown'] as const) : (['grown', 'fresh'] as const)) {
            progress(`  ${connections} connections: ${name}`);
            loads[name].push(await measure(sites[name], connections, size.seconds));
          }
        }
        const empty = `growth: empty, ${connections} connections`;
        figures.push(
          medianRow(empty, loads.fresh),
          medianRow(`growth: ${past}, ${connections} connections`, loads.grown, empty),
        );
      }
      const options = { user: DEEP_USER, rows: deepRows, gets, signal };
      const pages = await measurePages(postgres.urlOf('grown'), sites.grown.product.urls, options);
      return [...figures, ...pages.flatMap((page) => pageRows(page, deepRows))];
    } finally {
      await fresh.remove();
      await grown.remove();
    }
  },
};

function medianRow(name: string, loads: Load[], against?: string): Row {
  const median = (value: (load: Load) => number) => percentile(loads.map(value), 50);
  const rate = median((load) => load.accepted / load.seconds);
  const load: Load = {
    accepted: rate,
    seconds: 1,
    errors: loads.reduce((sum, { errors }) => sum + errors, 0),
    mean_ms: median((one) => one.mean_ms),
    p50_ms: median((one) => one.p50_ms),
    p99_ms: median((one) => one.p99_ms),
    p999_ms: median((one) => one.p999_ms),
  };
  const note = loads.length > 1 ? { note: `median of ${loads.length}, in turn` } : {};
  return ordersRow(name, load, { ...note, ...(against ? { against: [against] } : {}) });
}

type Pages = Awaited<ReturnType<typeof measurePages>>[number];

function pageRows({ list, first_ms, deep_ms, first_buffers, deep_buffers }: Pages, rows: number): Row[] {
  const first = `${list}, first page of ${figureText(rows)}`;
  return [
    { name: first, value: first_ms, unit: 'ms', note: `${first_buffers} blocks read` },
    {
      name: `${list}, last page`,
      value: deep_ms,
      unit: 'ms',
      against: [first],
      note: `${deep_buffers} blocks read`,
    },
  ];
}
