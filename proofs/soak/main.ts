/**
 * `npm run soak`: an installation of real processes under load, while its parts are killed, paused and cut off again and
 * again; then rest, an audit, and a comparison with what the callers were told. Exit code 1 on any violation, or where too
 * few requests succeeded for the run to say anything.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { eachService, SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import { connect, type Sql, schemaOf } from '@stream-processing/runtime/sql.ts';
import type { EmbeddedPostgres } from '../../embedded/postgres.ts';
import { type Cluster, startCluster } from '../../kafka/cluster.ts';
import { withLooks } from '../audit/audit.ts';
import { runCommand } from '../command.ts';
import { compare } from '../compare.ts';
import { auditAll, untilRest, urlsOf, withPostgres } from '../installation.ts';
import { Random } from '../random.ts';
import { ClientRecord } from '../record.ts';
import { CALL_MS_MAX } from './call.ts';
import { type Attempt, Caller } from './callers.ts';
import { commit, draw, FAULTS, type Fault, TOPIC_PREFIX } from './faults.ts';
import { Instances } from './instances.ts';
import { type Options, readOptions, USAGE } from './options.ts';
import { Watch } from './watch.ts';

/** Between the end of one fault and the next one. */
const QUIET_MS = [500, 4000] as const;
/** Before the first one and every fifth: longer than an attempt may take, so that those count which are never answered. */
const CALM_MS = [CALL_MS_MAX + 1000, CALL_MS_MAX + 3000] as const;
const CALM_EVERY = 5;
/** Of the first attempts outside of faults and their recovery. */
const SUCCESS_MIN = 0.95;
const VIOLATIONS_SHOWN = 20;

await runCommand({
  name: 'soak',
  usage: USAGE,
  readOptions,
  run: (options, signal) =>
    withPostgres('soak', (postgres, folder) =>
      withKafka(options.log, (kafka) => soak({ postgres, kafka, folder }, { ...options, signal })),
    ),
});

async function withKafka(
  log: Options['log'],
  work: (kafka: Cluster | undefined) => Promise<number>,
): Promise<number> {
  if (log === 'postgres') return work(undefined);
  const kafka = await startCluster({ proxied: true, onProgress: console.error });
  try {
    return await work(kafka);
  } finally {
    await kafka.stop();
  }
}

interface SoakOptions extends Options {
  signal: AbortSignal;
}

async function soak(
  { postgres, kafka, folder }: { postgres: EmbeddedPostgres; kafka: Cluster | undefined; folder: string },
  { signal, ...options }: SoakOptions,
): Promise<number> {
  const { minutes, callers: count, seed, layout, faults } = options;
  const random = new Random(seed);
  const progress = (text: string) => console.error(`${new Date().toISOString().slice(11, 19)} ${text}`);
  const databaseUrls = kafka ? await createDatabases(postgres) : urlsOf(postgres.url);
  const instances = new Instances({
    layout,
    databaseUrls,
    settings: kafka
      ? { EVENT_LOG: 'kafka', KAFKA_BROKERS: kafka.brokers.join(','), KAFKA_TOPIC_PREFIX: TOPIC_PREFIX }
      : {},
    folder,
    random: new Random(seed + 1),
    signal,
  });
  const record = new ClientRecord();
  const violations: string[] = [];
  const onViolation = (what: string) => {
    violations.push(what);
    progress(`VIOLATION ${what}`);
  };
  const watch = new Watch();
  const ending = new AbortController();
  signal.addEventListener('abort', () => ending.abort());
  try {
    await instances.start();
    await expectDurable(postgres.url);
    progress(`${instances.all.length} processes are ready; seed ${seed}`);
    const callers = Array.from({ length: count }, (_, i) => {
      const onAttempt = (attempt: Attempt) => watch.see(attempt);
      const options = {
        instances,
        record,
        random: new Random(seed + 2 + i),
        signal: ending.signal,
        onAttempt,
        onViolation,
      };
      return new Caller(options, `caller-${i + 1}`);
    });
    await Promise.all(callers.map((caller) => caller.open()));
    watch.expect(callers.map((caller) => caller.user_id));
    const running = Promise.all(callers.map((caller) => caller.run()));
    const broken = new AbortController();
    running.catch((error) => broken.abort(error));
    const targets = { instances, postgres, kafka, admin: () => adminOf(postgres.url), random, onViolation };
    const either = AbortSignal.any([signal, broken.signal]);
    const harassing = harass(minutes * 60_000, { targets, faults, watch, progress, signal: either });
    const done = await harassing.finally(() => ending.abort());
    await running;
    signal.throwIfAborted();
    progress('at rest');
    await untilRest(databaseUrls);
    violations.push(...(await withLooks(databaseUrls, (looks) => compare(looks, record))));
    violations.push(...(await auditAll(databaseUrls)));
    return report({ record, watch, done, violations, options });
  } finally {
    await instances.stop();
  }
}

/** One fault after another until the time is up; answers how many there were of each. */
async function harass(
  ms: number,
  options: {
    targets: Parameters<typeof commit>[1];
    faults: Fault[];
    watch: Watch;
    progress: (text: string) => void;
    signal: AbortSignal;
  },
): Promise<Map<Fault, number>> {
  const { targets, faults, watch, progress, signal } = options;
  const done = new Map<Fault, number>();
  const end = performance.now() + ms;
  // Each of them once, then as they come.
  const first = shuffled(faults, targets.random);
  for (let number = 0; performance.now() < end; number += 1) {
    const quiet = number % CALM_EVERY === 0 ? CALM_MS : QUIET_MS;
    await delay(targets.random.integer(...quiet), undefined, { signal });
    const fault = first.pop() ?? draw(targets.random, faults);
    watch.begin();
    await commit(fault, targets, () => watch.harmed());
    const ms = await watch.recovered(signal).catch(async (error) => {
      progress(FAULTS[fault]);
      if (!signal.aborted) for (const instance of targets.instances.all) progress(await instance.describe());
      throw error;
    });
    done.set(fault, (done.get(fault) ?? 0) + 1);
    progress(`${FAULTS[fault]}; recovered after ${ms.toFixed(0)} ms`);
  }
  return done;
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const left = [...items];
  return items.map(() => left.splice(random.integer(0, left.length - 1), 1)[0]!);
}

function report(run: {
  record: ClientRecord;
  watch: Watch;
  done: Map<Fault, number>;
  violations: string[];
  options: Options;
}): number {
  const { record, watch, done, violations, options } = run;
  const { minutes, layout, log, seed } = options;
  const orders = record.entries.filter(({ operation }) => operation.kind === 'order').length;
  const faults = [...done].map(([fault, times]) => `${fault} ${times}`).join(', ');
  const { attempts, success, recoveries } = watch.summary();
  console.log(`soak of ${minutes} min, ${layout}, events by ${log}, seed ${seed}`);
  console.log(`operations: ${record.entries.length}, of them orders: ${orders}`);
  console.log(
    `outcomes: ${record.count('done')} done, ${record.count('accepted')} accepted, ${record.count('refused')} refused, ${record.count('unknown')} unknown`,
  );
  console.log(`faults: ${faults}`);
  console.log(
    `recovery: p50 ${recoveries.p50.toFixed(0)} ms, p99 ${recoveries.p99.toFixed(0)} ms, most ${recoveries.max.toFixed(0)} ms`,
  );
  console.log(
    `success at the first attempt outside of faults: ${(success * 100).toFixed(2)} % of ${attempts} that had their time`,
  );
  console.log(`violations: ${violations.length}`);
  for (const what of violations.slice(0, VIOLATIONS_SHOWN)) console.log(`  ${what}`);
  if (violations.length > 0) return 1;
  if (success < SUCCESS_MIN) {
    console.log(`inconclusive: less than ${SUCCESS_MIN * 100} % succeeded`);
    return 1;
  }
  return 0;
}

/** One for each service: by Kafka no service sees another's. */
async function createDatabases(postgres: EmbeddedPostgres): Promise<Record<ServiceName, string>> {
  const sql = adminOf(postgres.url);
  try {
    for (const service of SERVICES) await sql.unsafe(`create database ${schemaOf(service)}`);
  } finally {
    await sql.end();
  }
  return eachService((service) => postgres.urlOf(schemaOf(service)));
}

/** What this run shows is worth nothing on a server that answers before its disk has. */
async function expectDurable(url: string): Promise<void> {
  const sql = adminOf(url);
  try {
    const off = await sql`
      select name, setting from pg_settings
      where name in ('fsync', 'full_page_writes', 'synchronous_commit') and setting <> 'on'`;
    if (off.length > 0) throw new Error(`PostgreSQL is not durable: ${JSON.stringify(off)}`);
  } finally {
    await sql.end();
  }
}

function adminOf(url: string): Sql {
  return connect(url, { max: 1, name: 'soak', schema: 'public' });
}
