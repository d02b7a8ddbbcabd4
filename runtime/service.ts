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
import { createHttp } from './http.ts';
import { type LogReader, partitionOf } from './log.ts';
import { refuseOtherPartitions, withSamePartitions } from './log-checked.ts';
import { createMetrics } from './metrics.ts';
import { migrate } from './migrate.ts';
import { Pipeline } from './pipeline.ts';
import { Progress } from './progress.ts';
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

  const database = `the PostgreSQL of ${name} (DATABASE_URL) at ${hostOf(url)}`;
  await awaitAnswer(() => migrate(url, name, definition.migrations, config.installation), {
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
  await refuseOtherPartitions(logs.values());
  const progress = new Progress(name, sql, bus, logs);
  closers.unshift(() => progress.close());
  await progress.refresh();

  const chain = chains.on(url);
  const reasonsToRefuse = [() => pipeline.full];
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
    freshFor: (user_id) => progress.fresh(partitionOf(user_id, partitions)),
    untilVisible: async (user_ids) => {
      const concerned = new Set(user_ids.map((user_id) => partitionOf(user_id, partitions)));
      await relay?.published.untilVisible([...concerned]);
    },
    isBehind: (user_id) =>
      relay?.published.isBehind(user_id === undefined ? undefined : partitionOf(user_id, partitions)) ??
      false,
    refuseWhile: (isTooMuch) => void reasonsToRefuse.push(isTooMuch),
    onDecisions: (listener) => void listeners.push(listener),
    watch: (user_id, look) => progress.watch(partitionOf(user_id, partitions), look),
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
  const wanted = config.ports[name];
  await app.listen({ host: config.host, port: wanted, backlog: BACKLOG }).catch((error) => {
    const isHost = NO_SUCH_HOST.has(codeOf(error));
    throw asStartupError(
      error,
      isHost ? `HOST ${config.host}` : `${settingOf(name, 'PORT')} ${config.host}:${wanted}`,
    );
  });
  const { port } = app.server.address() as AddressInfo;
  logger.info({ port, partitions: leases.held }, 'started');
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  return {
    name,
    url: `http://${host}:${port}`,
    async stopAccepting() {
      stopping = true;
      await app.close();
    },
    stop: close,
  };
}

function hostOf(url: string): string {
  const { hostname, port, pathname } = new URL(url);
  return `${hostname}:${port || 5432}${pathname}`;
}
