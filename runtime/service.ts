/** How a service starts, whichever it is: what it consists of, in the order in which the parts need each other. */
import type { AddressInfo } from 'node:net';
import type { ServiceName } from '@stream-processing/contracts/names.ts';
import type { Logger } from 'pino';
import { Announcer, type Bus } from './announcements.ts';
import { awaitAnswer } from './await-answer.ts';
import type { Chains } from './chains.ts';
import { type Config, databaseUrl, settingOf } from './config.ts';
import { createCursors } from './cursors.ts';
import type { Room, ServiceDefinition } from './definition.ts';
import { openEventLog } from './event-log.ts';
import { followLogs } from './follow.ts';
import { type App, createHttp } from './http.ts';
import { type LogReader, partitionOf } from './log.ts';
import { refuseOtherPartitions, withSamePartitions } from './log-checked.ts';
import { createMetrics } from './metrics.ts';
import { migrate } from './migrate.ts';
import { Pipeline } from './pipeline.ts';
import { Progress } from './progress.ts';
import type { Relay } from './relay.ts';
import { Retention } from './retention.ts';
import { SILENT_MS_MAX } from './silence.ts';
import { connect, schemaOf } from './sql.ts';
import { codeOf } from './sql-errors.ts';
import { asStartupError } from './startup-error.ts';
import type { Decision } from './work.ts';

export interface RunningService {
  name: ServiceName;
  url: string;
  /** Readiness off, no new connections; resolves when every accepted request is answered. */
  stopAccepting(): Promise<void>;
  /** After stopAccepting: ends the processors, the pipeline and the connections. */
  stop(): Promise<void>;
}

export interface ServiceContext {
  config: Config;
  /** Shared by the services of one process. */
  bus: Bus;
  /** Likewise. */
  chains: Chains;
  logger: Logger;
  /** Aborts when the process is asked to stop. */
  stopping: AbortSignal;
}

const READ_CONNECTIONS = 4;
/** Errors of listening that no other port would mend. */
const NO_SUCH_HOST = new Set(['EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN']);
/**
 * New connections that may wait for a busy moment to end (the system's own bound is lower in places). The kernel drops what
 * comes beyond, and such a caller is heard after seconds: with Node's 511 some were, of 4000 that came at once.
 */
const BACKLOG = 4096;

export async function startService<State, Command, D extends Decision>(
  definition: ServiceDefinition<State, Command, D>,
  context: ServiceContext,
): Promise<RunningService> {
  // What was opened, newest first, which is the order to close it in.
  const closers: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const closer of closers.splice(0)) await closer();
  };
  try {
    return await open(definition, context, closers, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function open<State, Command, D extends Decision>(
  definition: ServiceDefinition<State, Command, D>,
  { config, bus, chains, logger: parentLogger, stopping: signal }: ServiceContext,
  closers: (() => Promise<unknown>)[],
  close: () => Promise<void>,
): Promise<RunningService> {
  const { name, follows } = definition;
  const { partitions, currency } = config.installation;
  const url = databaseUrl(config, name);
  const schema = schemaOf(name);
  const logger = parentLogger.child({ service: name });
  const metrics = createMetrics(name);

  await bringUpToDate(definition, config, { url, logger, signal });
  const sql = connect(url, { max: READ_CONNECTIONS, name, schema, silent_ms_max: SILENT_MS_MAX });
  closers.unshift(() => sql.end());
  const writeSql = connect(url, {
    max: 1,
    name: `${name} pipeline`,
    schema,
    lasting: true,
    writes: true,
    silent_ms_max: SILENT_MS_MAX,
  });
  closers.unshift(() => writeSql.end());

  await createCursors(sql, follows, partitions);
  bus.join(name, url);
  const announcer = new Announcer(name, sql, bus);
  closers.unshift(() => announcer.close());
  const eventLog = await openEventLog(config, { name, bus, announcer, logger, stopping: signal });
  closers.unshift(() => eventLog.close());
  const { relay } = eventLog;
  const logs = new Map<ServiceName, LogReader>(
    follows.map((source) => [source, withSamePartitions(eventLog.follow(source), source, partitions)]),
  );
  await refuseOtherPartitions(logs.values(), signal);
  const progress = new Progress(name, sql, bus, logs);
  closers.unshift(() => progress.close());
  await progress.refresh();

  const chain = chains.on(url);
  const reasonsToRefuse = [() => pipeline.full, () => relay?.published.isMostlyBehind ?? false];
  const listeners: ((decisions: D[]) => void)[] = [];
  const pipeline = new Pipeline<State, Command, D>({
    sql: writeSql,
    service: name,
    schema,
    partitions,
    chain,
    work: definition.work(config.installation),
    announce: (committed) => announcer.announce(committed),
    published: relay && ((told) => relay.published.untilTold(told)),
    onCommit({ decisions }) {
      for (const listener of listeners) listener(decisions);
    },
    observe(batch) {
      metrics.batchSize.observe(batch.commands);
      metrics.batchSeconds.observe(batch.seconds);
    },
  });
  closers.unshift(() => pipeline.close());
  const { leases, processorOf, held } = followLogs(definition, {
    url,
    partitions,
    logs,
    pipeline,
    relay,
    progress,
    logger,
    metrics,
  });
  closers.unshift(() => leases.close());
  // Where events travel by Kafka each service waits for them there, also those of this process.
  if (!relay) chain.join({ service: name, pipeline, follows, processor: processorOf });

  const room: Room<State, Command, D> = {
    pipeline,
    sql,
    currency,
    logger,
    metrics,
    ...visibility({ partitions, progress, relay }),
    refuseWhile: (isTooMuch) => void reasonsToRefuse.push(isTooMuch),
    onDecisions: (listener) => void listeners.push(listener),
  };
  const stopHearing = bus.on(name, (_news, where) => where === 'elsewhere' && pipeline.forget());
  closers.unshift(async () => stopHearing());
  let stopping = false;
  const { app, refuseOtherMethods } = await createHttp({
    service: name,
    description: definition.description,
    logger,
    metrics,
    stopping: () => stopping,
    full: () => reasonsToRefuse.some((isTooMuch) => isTooMuch()),
    // Not asked where it has just answered: a question would wait behind everybody who reads.
    ready: async () => void (leases.isFresh || (await sql`select 1`)),
  });
  closers.unshift(() => app.close());
  definition.routes(app, room);
  refuseOtherMethods();

  await leases.start();
  await relay?.untilOpen();
  const retention = new Retention({
    sql,
    logs,
    relayed: relay && (() => relay.relayed),
    hours: config.logRetentionHours,
    held,
    onRemoved: (events) => metrics.removedEvents.inc(events),
    logger,
  });
  closers.unshift(() => retention.close());
  metrics.gauge(
    'log_retention_held_back',
    'Partitions of the own log that keep events older than LOG_RETENTION_HOURS, by the follower that has not passed them.',
    ['follower'],
    (set) => {
      for (const [follower, partitions] of retention.heldBack) set(partitions, { follower });
    },
  );
  const { port, url: address } = await listen(app, config, name);
  logger.info({ port, partitions: leases.held }, 'started');
  return {
    name,
    url: address,
    async stopAccepting() {
      stopping = true;
      await app.close();
    },
    stop: close,
  };
}

/** Waits for its database, if need be, and brings the schema there up to date. */
async function bringUpToDate(
  { name, migrations }: Pick<ServiceDefinition<never, never, never>, 'name' | 'migrations'>,
  config: Config,
  { url, logger, signal }: { url: string; logger: Logger; signal: AbortSignal },
): Promise<void> {
  const { hostname, port, pathname } = new URL(url);
  const database = `the PostgreSQL of ${name} (DATABASE_URL) at ${hostname}:${port || 5432}${pathname}`;
  await awaitAnswer(() => migrate(url, name, migrations, config.installation), {
    seconds: config.databaseWaitSeconds,
    signal,
    onRetry: (error, retry_ms) =>
      logger.warn(
        { reason: (asStartupError(error, database) as Error).message, retry_ms },
        'waiting for the database',
      ),
  }).catch((error) => {
    throw error === signal.reason ? error : asStartupError(error, database);
  });
}

/** What the routes ask of the logs, in words of users: those that the service follows, and its own as others see it. */
function visibility({
  partitions,
  progress,
  relay,
}: {
  partitions: number;
  progress: Progress;
  relay: Relay | undefined;
}): Pick<Room<never, never, never>, 'freshFor' | 'untilVisible' | 'isBehind' | 'watch'> {
  const of = (user_id: number) => partitionOf(user_id, partitions);
  return {
    freshFor: (user_id) => progress.fresh(of(user_id)),
    watch: (user_id, look) => progress.watch(of(user_id), look),
    untilVisible: async (user_ids) => relay?.published.untilVisible([...new Set(user_ids.map(of))]),
    isBehind: (user_id) =>
      relay?.published.isBehind(user_id === undefined ? undefined : of(user_id)) ?? false,
  };
}

async function listen(app: App, { host, ports }: Config, name: ServiceName) {
  await app.listen({ host, port: ports[name], backlog: BACKLOG }).catch((error) => {
    const isHost = NO_SUCH_HOST.has(codeOf(error));
    throw asStartupError(
      error,
      isHost ? `HOST ${host}` : `${settingOf(name, 'PORT')} ${host}:${ports[name]}`,
    );
  });
  const { port } = app.server.address() as AddressInfo;
  return { port, url: `http://${host.includes(':') ? `[${host}]` : host}:${port}` };
}
