/** Lists of one user: the first page against the last, by their latency and by what their plans read. */

import { keysetOf } from '@stream-processing/runtime/page.ts';
import { connect, type Sql } from '@stream-processing/runtime/sql.ts';
import { listTransfers } from '../services/billing-service/views.ts';
import { listNotifications } from '../services/notification-service/views.ts';
import { listOrders } from '../services/order-service/views.ts';
import { CheckFailed } from './check.ts';
import type { Urls } from './installation.ts';
import { percentile } from './statistics.ts';

const LIMIT = 100;
const WALK_LIMIT = 1000;
/** Blocks that a deep page may read beyond the first one: indexes are a level higher or lower here and there. */
const BUFFERS_MORE_MAX = 20;

type List = (sql: Sql, user_id: number, keyset: ReturnType<typeof keysetOf>) => Promise<unknown>;

export interface Pages {
  list: string;
  /** Medians. */
  first_ms: number;
  deep_ms: number;
  /** Blocks that the plan read. */
  first_buffers: number;
  deep_buffers: number;
}

interface Source {
  list: string;
  url: string;
  schema: string;
  view: List;
}

/** `rows`: how many items each list must have at least; `gets`: how often each page is read. */
export async function measurePages(
  databaseUrl: string,
  urls: Urls,
  { user, rows, gets, signal }: { user: number; rows: number; gets: number; signal: AbortSignal },
): Promise<Pages[]> {
  const sources: Source[] = [
    {
      list: 'GET /orders',
      url: `${urls['order-service']}/orders?user_id=${user}&`,
      schema: 'order_service',
      view: listOrders,
    },
    {
      list: 'GET /notifications',
      url: `${urls['notification-service']}/notifications?user_id=${user}&`,
      schema: 'notification_service',
      view: listNotifications,
    },
    {
      list: 'GET /accounts/{id}/transfers',
      url: `${urls['billing-service']}/accounts/${user}/transfers?`,
      schema: 'billing_service',
      view: listTransfers,
    },
  ];
  const pages: Pages[] = [];
  for (const source of sources) {
    const { cursor, items } = await walk(source.url, signal);
    if (items < rows) throw new CheckFailed(`${source.list}: ${items} items, ${rows} expected`);
    const latencies = await latenciesOf(source.url, cursor, gets, signal);
    pages.push({ list: source.list, ...latencies, ...(await buffersOf(databaseUrl, source, user, cursor)) });
  }
  for (const { list, first_buffers, deep_buffers } of pages) {
    if (deep_buffers > first_buffers + BUFFERS_MORE_MAX) {
      throw new CheckFailed(
        `${list}: a deep page reads ${deep_buffers} blocks, the first one ${first_buffers}`,
      );
    }
  }
  return pages;
}

/** From page to page to the end: the number of items, and the cursor that leads to the last full page. */
async function walk(url: string, signal: AbortSignal): Promise<{ cursor: string; items: number }> {
  let items = 0;
  let cursor: string | undefined;
  for (let next: string | null = ''; next !== null; ) {
    const page: Page = await get(`${url}limit=${WALK_LIMIT}${next && `&cursor=${next}`}`, signal);
    items += page.items.length;
    if (next !== '' && page.items.length >= LIMIT) cursor = next;
    next = page.next_cursor;
  }
  if (cursor === undefined) throw new CheckFailed(`${url}: ${items} items are too few to have a deep page`);
  return { cursor, items };
}

interface Page {
  items: object[];
  next_cursor: string | null;
}

async function get(url: string, signal: AbortSignal): Promise<Page> {
  const response = await fetch(url, { signal });
  const text = await response.text();
  if (!response.ok) throw new CheckFailed(`GET ${url}: ${response.status} ${text}`);
  return JSON.parse(text);
}

/** One request after the other, first and deep page in turn, so that both meet the same moments. */
async function latenciesOf(url: string, cursor: string, gets: number, signal: AbortSignal) {
  const first: number[] = [];
  const deep: number[] = [];
  for (let i = 0; i < gets; i += 1) {
    first.push(await timed(`${url}limit=${LIMIT}`, signal));
    deep.push(await timed(`${url}limit=${LIMIT}&cursor=${cursor}`, signal));
  }
  return { first_ms: percentile(first, 50), deep_ms: percentile(deep, 50) };
}

async function timed(url: string, signal: AbortSignal): Promise<number> {
  const start = performance.now();
  const { items } = await get(url, signal);
  if (items.length !== LIMIT) throw new CheckFailed(`GET ${url}: ${items.length} items`);
  return performance.now() - start;
}

async function buffersOf(databaseUrl: string, { schema, view }: Source, user: number, cursor: string) {
  const sql = connect(databaseUrl, { max: 1, name: 'bench', schema });
  const page = { limit: LIMIT, order: 'asc' } as const;
  try {
    return {
      first_buffers: await buffers(sql, (explained) => view(explained, user, keysetOf(page))),
      deep_buffers: await buffers(sql, (explained) => view(explained, user, keysetOf({ ...page, cursor }))),
    };
  } finally {
    await sql.end();
  }
}

/** Blocks that the product's own statement touches: its view gets an `Sql` that explains the first statement. */
async function buffers(sql: Sql, view: (explained: Sql) => Promise<unknown>): Promise<number> {
  let blocks: number | undefined;
  const explain = async (strings: TemplateStringsArray, ...values: unknown[]) => {
    if (blocks !== undefined) return [];
    const text = [`explain (analyze, buffers, format json) ${strings[0]}`, ...strings.slice(1)];
    const [row] = await sql(Object.assign(text, { raw: text }), ...values);
    const { Plan: plan } = row!['QUERY PLAN'][0];
    blocks = plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
    return [];
  };
  // It finds no rows, and answers accordingly.
  await view(Object.assign(explain, sql) as Sql);
  if (blocks === undefined) throw new Error('the view sent no statement');
  return blocks;
}
