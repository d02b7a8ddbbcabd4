/**
 * `--case scale`: services in processes of their own, events by PostgreSQL and by three Kafka brokers in turn; several
 * instances; a broker that dies. Not part of a run of all cases, since brokers need Java.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SERVICES } from '@stream-processing/contracts/names.ts';
import { connect } from '@stream-processing/runtime/sql.ts';
import { type Apart, startApart } from '../apart.ts';
import { markOf } from '../check.ts';
import type { Context } from '../context.ts';
import { type Load, offerOrders, PRICE, placeOrders } from '../load.ts';
import { readMetrics } from '../metrics.ts';
import type { Report } from '../open-loop.ts';
import { checkOrders, ordersRow } from '../orders.ts';
import { cpuOf, cpuOfFamily } from '../proc.ts';
import type { Row } from '../report.ts';
import { type Sample, sampleEvery } from '../sampler.ts';
import { post, seed, type Users } from '../seed.ts';
import { percentile } from '../statistics.ts';
import type { Case } from './case.ts';

type Log = 'postgres' | 'kafka';

const LOGS = ['postgres', 'kafka'] as const;
const TITLE: Record<Log, string> = { postgres: 'by PostgreSQL', kafka: 'by Kafka' };
const CONNECTIONS = [1, 64, 256, 1024];
const INSTANCES = [1, 2, 4];
const USERS = 1000;
const WARM_SECONDS = 15;
/** Once in a run: brokers take about a minute under load until their code is compiled. */
const BROKERS_WARM_SECONDS = 75;
const WARM_CONNECTIONS = 1024;
/** Orders a second that every number of instances is offered; and how many callers ask in a closed loop. */
const OFFERED = [100, 400];
const OFFERED_SECONDS = 10;
const CROWD = 1024;
const warmBrokers = new WeakSet<object>();

/** Four processes, events by PostgreSQL and by Kafka. */
export const scaleLogs: Case = {
  name: 'scale-logs',
  asked: true,
  async run(context, round) {
    const rows: Row[] = [];
    for (const log of LOGS) {
      await withApart(context, log, 1, async (site) => {
        for (const connections of CONNECTIONS) {
          const { row, p50_ms } = await measure(context, site, { connections, round });
          const name = (of: Log) => `apart, events ${TITLE[of]}, ${connections}`;
          const against = log === 'kafka' ? { against: [name('postgres')] } : {};
          rows.push({ ...row, name: name(log), ...against });
          if (connections === 1) {
            const p50 = (of: Log) => `${name(of)}: p50`;
            const more = log === 'kafka' ? { against: [p50('postgres')] } : {};
            rows.push({ name: p50(log), value: p50_ms, unit: 'ms', ...more });
          }
        }
      });
    }
    return rows;
  },
};

/**
 * What an order costs with 1, 2 and 4 instances of each service: when all are offered the same, and when as many callers as ever
 * ask as fast as they are answered. There batches shrink, since more transactions share the same callers.
 */
export const scaleInstances: Case = {
  name: 'scale-instances',
  asked: true,
  async run(context, round) {
    const rows: Row[] = [];
    for (const log of LOGS) {
      for (const instances of INSTANCES) {
        await withApart(context, log, instances, async (site) => {
          const tell = (load: string, { row, accepted, cpu }: Measured) => {
            const nameOf = (count: number) => `${count} × 4 processes, events ${TITLE[log]}, ${load}`;
            const cost = (part: keyof Cpu) => (cpu[part] / accepted) * 1e6;
            rows.push({ ...row, name: nameOf(instances) });
            rows.push({
              name: `${nameOf(instances)}: cost`,
              value: cost('node') + cost('postgres') + cost('kafka'),
              unit: 'µs CPU/order',
              ...(instances > 1 ? { against: [`${nameOf(1)}: cost`] } : {}),
              note: `Node ${cost('node').toFixed(0)}, PostgreSQL ${cost('postgres').toFixed(0)}, Kafka ${cost('kafka').toFixed(0)}`,
            });
          };
          for (const rate of OFFERED) tell(`${rate} offered`, await offer(context, site, rate));
          tell(`${CROWD} connections`, await measure(context, site, { connections: CROWD, round }));
        });
      }
    }
    return rows;
  },
};

/** Orders go on coming while one broker of three is killed and comes back. */
export const scaleBroker: Case = {
  name: 'scale-broker',
  asked: true,
  async run(context) {
    const { kafka, signal } = context;
    const cluster = await kafka();
    const rows: Row[] = [];
    await withApart(context, 'kafka', 1, async ({ apart, users }) => {
      const callers = new Callers(apart.urls['order-service'], users, signal);
      const lagging = async () => {
        const metrics = await Promise.all(
          SERVICES.map((service) => readMetrics(apart.urls[service], signal)),
        );
        return metrics.reduce((sum, each) => sum + each.sum('relay_lag_events'), 0);
      };
      const span = async (what: string, work: () => Promise<void>) => {
        const lag = sampleEvery(LAG_MS, lagging);
        const { longest_ms, failed, answered, p99_ms } = await callers.during(work).finally(() => lag.stop());
        const samples = await lag.stop();
        const note = `${answered} orders answered, ${failed} failed, p99 ${p99_ms.toFixed(0)} ms`;
        rows.push({
          name: `broker: ${what}: longest pause`,
          value: longest_ms,
          unit: 'ms',
          errors: failed,
          note,
        });
        rows.push({
          name: `broker: ${what}: events that wait for Kafka`,
          value: Math.max(...samples.map(({ value }) => value)),
          unit: 'most',
          note: `more than ${OFFERED_MEANWHILE / 10} last seen after ${seconds(samples)} s`,
        });
      };
      await span('all three up', () => delay(5000, undefined, { signal }));
      await span('one of three killed', async () => {
        await cluster.nodes[0]!.kill();
        await delay(15_000, undefined, { signal });
      });
      await span('it comes back', async () => {
        await cluster.nodes[0]!.start();
        await delay(10_000, undefined, { signal });
      });
      await callers.stop();
    });
    return rows;
  },
};

interface ScaleSite {
  log: Log;
  apart: Apart;
  users: Users;
  databaseUrl: string;
}

/** An installation of its own, warm; gone after the work. */
async function withApart(
  context: Context,
  log: Log,
  instances: number,
  work: (site: ScaleSite) => Promise<void>,
): Promise<void> {
  const { createDatabase, dropDatabase, folder, signal, kafka, progress } = context;
  const name = `scale_${log}_${instances}`;
  const databaseUrl = await createDatabase(name);
  const cluster = log === 'kafka' ? await kafka() : undefined;
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
    const apart = await startApart({ databaseUrl, instances, folder, signal, more });
    try {
      const users = await seed(apart.urls, USERS, signal);
      const site = { log, apart, users, databaseUrl };
      const seconds = cluster && !warmBrokers.has(cluster) ? BROKERS_WARM_SECONDS : WARM_SECONDS;
      if (cluster) warmBrokers.add(cluster);
      await measure(context, site, { connections: WARM_CONNECTIONS, seconds, round: 0 });
      await work(site);
    } finally {
      await apart.stop();
    }
  } finally {
    await dropDatabase(name);
  }
}

interface Measured {
  /** Without a name yet. */
  row: Row;
  accepted: number;
  p50_ms: number;
  /** Spent meanwhile, in seconds. */
  cpu: Cpu;
}

/** So many orders a second, spread over the instances. */
function offer(context: Context, site: ScaleSite, rate: number): Promise<Measured> {
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
    return { row, accepted: sum((report) => report.accepted), unknown: errors, p50_ms: row.p50_ms! };
  });
}

/** So many callers, each with its next order when the one before is answered. */
function measure(
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
    const { accepted, errors, p50_ms } = result;
    return { row: ordersRow('', result), accepted, unknown: errors + connections, p50_ms };
  });
}

/** Places orders, and checks that debits, orders and letters agree afterwards. */
async function measured(
  context: Context,
  site: ScaleSite,
  place: () => Promise<Omit<Measured, 'cpu'> & { unknown: number }>,
): Promise<Measured> {
  const sql = connect(site.databaseUrl, { max: 2, name: 'bench', schema: 'public' });
  try {
    const mark = await markOf(sql);
    const before = await readCpu(context, site);
    const placed = await place();
    const after = await readCpu(context, site);
    const checked = { product: { urls: site.apart.urls }, users: site.users, sql };
    await checkOrders(checked, mark, placed, context.signal);
    const spent = (part: keyof Cpu) => after[part] - before[part];
    return { ...placed, cpu: { node: spent('node'), postgres: spent('postgres'), kafka: spent('kafka') } };
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

interface Cpu {
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

/** Orders a second. */
const OFFERED_MEANWHILE = 50;
const LAG_MS = 200;

/** When more waited than comes in a tenth of a second, for the last time. */
function seconds(samples: Sample<number>[]): string {
  const last = samples.findLast(({ value }) => value > OFFERED_MEANWHILE / 10);
  return ((last?.ms ?? 0) / 1000).toFixed(1);
}

/** Orders that come at a steady rate, whatever becomes of those before, and what their callers saw. */
class Callers {
  readonly #stop = new AbortController();
  readonly #done: Promise<unknown>;
  #ends: number[] = [];
  #latencies: number[] = [];
  #failed = 0;

  constructor(url: string, users: Users, signal: AbortSignal) {
    const call = async (user_id: number) => {
      const began = performance.now();
      try {
        await post(`${url}/orders`, { user_id, price: PRICE }, signal);
        this.#ends.push(performance.now());
        this.#latencies.push(performance.now() - began);
      } catch {
        this.#failed += 1;
      }
    };
    const callAll = async () => {
      const calls: Promise<void>[] = [];
      const began = performance.now();
      while (!this.#stop.signal.aborted && !signal.aborted) {
        const due = (performance.now() - began) * (OFFERED_MEANWHILE / 1000);
        while (calls.length < due) calls.push(call(users.first + (calls.length % USERS)));
        await delay(1000 / OFFERED_MEANWHILE);
      }
      await Promise.all(calls);
    };
    this.#done = callAll();
  }

  async during(work: () => Promise<void>) {
    this.#ends = [performance.now()];
    this.#latencies = [];
    this.#failed = 0;
    await work();
    const ends = [...this.#ends, performance.now()];
    const latencies = this.#latencies.toSorted((a, b) => a - b);
    return {
      longest_ms: Math.max(...latencies, ...ends.slice(1).map((end, i) => end - ends[i]!)),
      p99_ms: latencies.length > 0 ? percentile(latencies, 99) : Number.NaN,
      answered: latencies.length,
      failed: this.#failed,
    };
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }
}
