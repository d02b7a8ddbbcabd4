/** An installation in processes of their own for `--case scale`: started warm, loaded, checked, and what CPU that took. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from '@stream-processing/runtime/sql.ts';
import { type Apart, startApart } from './apart.ts';
import { markOf } from './check.ts';
import type { Context } from './context.ts';
import { databaseEach, oneDatabase } from './databases.ts';
import { type Load, offerOrders, placeOrders } from './load.ts';
import type { Report } from './open-loop.ts';
import { checkOrders, ordersRow } from './orders.ts';
import { cpuOf, cpuOfFamily } from './proc.ts';
import type { Row } from './report.ts';
import { seed, type Users } from './seed.ts';

export type Log = 'postgres' | 'kafka';

export const LOGS = ['postgres', 'kafka'] as const;
export const TITLE: Record<Log, string> = { postgres: 'by PostgreSQL', kafka: 'by Kafka' };
const USERS = 1000;
const WARM_SECONDS = 15;
/**
 * Brokers take minutes under load until their code is compiled, once in a run: they are warm when two looks in a row are not
 * faster than the fastest before by more than this.
 */
const WARMER = 1.03;
const LEVEL_LOOKS = 2;
const LOOKS_MAX = 20;
const WARM_CONNECTIONS = 1024;
const OFFERED_SECONDS = 10;
const REST_SECONDS = 10;
const warmBrokers = new WeakSet<object>();

export interface ScaleSite {
  log: Log;
  apart: Apart;
  users: Users;
  /** With the tables of all services. */
  databaseUrl: string;
}

export interface Layout {
  log: Log;
  /** Of each service. */
  instances: number;
  /** Has each service a database of its own? */
  databaseEach?: boolean;
}

/** An installation of its own, warm; gone after the work. */
export async function withApart(
  context: Context,
  { log, instances, databaseEach: each = false }: Layout,
  work: (site: ScaleSite) => Promise<void>,
): Promise<void> {
  const { folder, signal, kafka, progress } = context;
  const name = `scale_${log}_${instances}`;
  const cluster = log === 'kafka' ? await kafka() : undefined;
  const databases = await (each ? databaseEach : oneDatabase)(context, name);
  const more: NodeJS.ProcessEnv =
    cluster !== undefined
      ? {
          EVENT_LOG: 'kafka',
          KAFKA_BROKERS: cluster.brokers.join(','),
          KAFKA_TOPIC_PREFIX: `${name}-${Date.now()}.`,
        }
      : { EVENT_LOG: 'postgres' };
  try {
    progress(`  ${instances} × 4 processes start, events ${TITLE[log]}`);
    const apart = await startApart({ databaseUrls: databases.urls, instances, folder, signal, more });
    try {
      await databases.gather();
      const users = await seed(apart.urls, USERS, signal);
      const site = { log, apart, users, databaseUrl: databases.all };
      const warm = async () => {
        const warming = { connections: WARM_CONNECTIONS, seconds: WARM_SECONDS, round: 0 };
        return (await measure(context, site, warming)).row.value;
      };
      if (cluster && !warmBrokers.has(cluster)) {
        progress('  brokers are loaded until they are not faster any more');
        await untilLevel(warm);
        warmBrokers.add(cluster);
      } else await warm();
      await work(site);
    } finally {
      await apart.stop();
    }
  } finally {
    await databases.drop();
  }
}

async function untilLevel(look: () => Promise<number>): Promise<void> {
  let fastest = 0;
  let level = 0;
  for (let looks = 0; level < LEVEL_LOOKS && looks < LOOKS_MAX; looks += 1) {
    const rate = await look();
    level = rate > fastest * WARMER ? 0 : level + 1;
    fastest = Math.max(fastest, rate);
  }
}

export interface Measured {
  /** Without a name yet. */
  row: Row;
  accepted: number;
  /** How long it took, and the CPU seconds spent meanwhile. */
  seconds: number;
  cpu: Cpu;
}

/** CPU seconds a second of an installation that nobody asks anything. */
export async function measureRest(context: Context, site: ScaleSite): Promise<Cpu> {
  const { seconds, cpu } = await spending(context, site, () =>
    delay(REST_SECONDS * 1000, undefined, { signal: context.signal }),
  );
  return { node: cpu.node / seconds, postgres: cpu.postgres / seconds, kafka: cpu.kafka / seconds };
}

/** What `work` takes. */
async function spending<T>(
  context: Context,
  site: ScaleSite,
  work: () => Promise<T>,
): Promise<{ result: T; seconds: number; cpu: Cpu }> {
  const before = await readCpu(context, site);
  const began = performance.now();
  const result = await work();
  const seconds = (performance.now() - began) / 1000;
  const after = await readCpu(context, site);
  const spent = (part: keyof Cpu) => after[part] - before[part];
  return {
    result,
    seconds,
    cpu: { node: spent('node'), postgres: spent('postgres'), kafka: spent('kafka') },
  };
}

/** So many orders a second, spread over the instances. */
export function offer(context: Context, site: ScaleSite, rate: number): Promise<Measured> {
  const urls = site.apart.all['order-service'];
  const each = {
    users: site.users,
    rate: rate / urls.length,
    seconds: OFFERED_SECONDS,
    signal: context.signal,
  };
  return measured(context, site, async () => {
    const reports = await Promise.all(urls.map((url) => offerOrders({ ...each, url })));
    const sum = (of: (report: Report) => number) => reports.reduce((total, report) => total + of(report), 0);
    const most = (of: (report: Report) => number) => Math.max(...reports.map(of));
    const errors = sum((report) => report.errors + report.refused);
    const row: Row = {
      name: '',
      value: sum((report) => report.accepted_rate),
      unit: 'orders/s',
      p50_ms: most((report) => report.accepted_p50_ms),
      p99_ms: most((report) => report.accepted_p99_ms),
      errors,
    };
    return { row, accepted: sum((report) => report.accepted), unknown: errors };
  });
}

/** So many callers, each with its next order when the one before is answered. */
export function measure(
  context: Context,
  site: ScaleSite,
  {
    connections,
    round,
    seconds = context.size.seconds,
  }: { connections: number; round: number; seconds?: number },
): Promise<Measured> {
  return measured(context, site, async () => {
    const result = await load(context, site, { connections, seconds, round });
    const { accepted, errors } = result;
    return { row: ordersRow('', result), accepted, unknown: errors + connections };
  });
}

/** Places orders, and checks that debits, orders and letters agree afterwards. */
async function measured(
  context: Context,
  site: ScaleSite,
  place: () => Promise<Omit<Measured, 'cpu' | 'seconds'> & { unknown: number }>,
): Promise<Measured> {
  const sql = connect(site.databaseUrl, { max: 2, name: 'bench', schema: 'public' });
  try {
    const mark = await markOf(sql);
    const { result: placed, seconds, cpu } = await spending(context, site, place);
    const checked = { product: { urls: site.apart.urls }, users: site.users, sql };
    await checkOrders(checked, mark, placed, context.signal);
    return { ...placed, seconds, cpu };
  } finally {
    await sql.end();
  }
}

/** The connections are spread over the instances of the order service, each by a generator of its own. */
async function load(
  { folder, signal }: Context,
  { apart, users }: ScaleSite,
  { connections, seconds, round }: { connections: number; seconds: number; round: number },
): Promise<Load> {
  const urls = apart.all['order-service'].slice(0, connections);
  const loads = await Promise.all(
    urls.map((url, i) =>
      placeOrders({
        url,
        users,
        connections: Math.round(connections / urls.length),
        seconds,
        seed: round * 10 + i,
        folder,
        signal,
      }),
    ),
  );
  const sum = (of: (each: Load) => number) => loads.reduce((total, each) => total + of(each), 0);
  const mean = (of: (each: Load) => number) => sum(of) / loads.length;
  const most = (of: (each: Load) => number) => Math.max(...loads.map(of));
  return {
    accepted: sum((each) => each.accepted),
    errors: sum((each) => each.errors),
    seconds: mean((each) => each.seconds),
    mean_ms: mean((each) => each.mean_ms),
    p50_ms: mean((each) => each.p50_ms),
    p99_ms: most((each) => each.p99_ms),
    p999_ms: most((each) => each.p999_ms),
  };
}

export interface Cpu {
  node: number;
  postgres: number;
  kafka: number;
}

/** Seconds so far; none on systems that do not tell. */
async function readCpu({ cluster, kafka }: Context, { apart, log }: ScaleSite): Promise<Cpu> {
  const postmaster = Number((await readFile(path.join(cluster, 'postmaster.pid'), 'utf8')).split('\n')[0]);
  const brokers = log === 'kafka' ? (await kafka()).nodes.flatMap((node) => node.pid ?? []) : [];
  const sum = async (pids: number[]) =>
    (await Promise.all(pids.map(cpuOf))).reduce<number>((total, cpu) => total + (cpu ?? Number.NaN), 0);
  return {
    node: await sum(apart.pids),
    postgres: (await cpuOfFamily(postmaster)) ?? Number.NaN,
    kafka: await sum(brokers),
  };
}
