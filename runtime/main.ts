import pino, { type Logger } from 'pino';
import { Bus } from './announcements.ts';
import { Chains } from './chains.ts';
import { type Config, readConfig } from './config.ts';
import type { ServiceDefinition } from './definition.ts';
import { type RunningService, type ServiceContext, startService } from './service.ts';
import { StartupError } from './startup-error.ts';
import type { Decision } from './work.ts';

const STOP_MS_MAX = 40_000;
/** One wish to stop may arrive several times: from the terminal, from run.mjs, and once more since the shell between them ended. */
const SAME_MS = 1000;

/** Runs one service in a process of its own until SIGINT or SIGTERM. */
export async function runAlone<State, Command, D extends Decision>(
  definition: ServiceDefinition<State, Command, D>,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  await runUntilStopped(async (stopping) => {
    const context = createContext(readConfig(env), stopping);
    const service = await startService(definition, context);
    console.log(`${service.name} on ${service.url} ready`);
    return () => stopServices([service], context);
  });
}

/** What the services of one process share; a start that waits for something ends when `stopping` aborts. */
export function createContext(
  config: Config,
  stopping: AbortSignal = new AbortController().signal,
): ServiceContext {
  const bus = new Bus();
  const logger = createLogger(config.logLevel);
  return { config, bus, chains: new Chains(bus, logger), logger, stopping };
}

/** JSON lines on standard error; standard output is for people. */
function createLogger(level: string): Logger {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd: 2, sync: false }),
  );
}

/** All stop accepting first: what a request still waits for may be in another service's hands. */
export async function stopServices(
  services: RunningService[],
  { bus, chains }: Pick<ServiceContext, 'bus' | 'chains'>,
): Promise<void> {
  await Promise.all(services.map((service) => service.stopAccepting()));
  await Promise.all(services.map((service) => service.stop()));
  await chains.close();
  await bus.close();
}

/**
 * Starts, then stops gracefully on the first SIGINT, SIGTERM or SIGHUP; another one later, or a stop that takes too long,
 * ends the process at once. Nothing is lost by that: the next start goes on from what was committed.
 */
export async function runUntilStopped(
  start: (stopping: AbortSignal) => Promise<() => Promise<void>>,
): Promise<void> {
  const stopping = new AbortController();
  const stopRequested = new Promise<void>((resolve) => {
    stopping.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  let asked: number | undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (asked === undefined) {
        asked = performance.now();
        setTimeout(leave, STOP_MS_MAX).unref();
        stopping.abort();
      } else if (performance.now() - asked > SAME_MS) process.exit(1);
    });
  }
  try {
    const stop = await start(stopping.signal);
    await stopRequested;
    await stop();
    process.exit(0);
  } catch (error) {
    // Asked to stop while it waited to start.
    if (stopping.signal.aborted && error === stopping.signal.reason) process.exit(0);
    if (!(error instanceof StartupError)) throw error;
    console.error(error.message);
    process.exit(1);
  }
}

function leave() {
  console.error(`not stopped within ${STOP_MS_MAX / 1000} s, leaving`);
  process.exit(1);
}
