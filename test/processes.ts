import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { eachService, SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import { settingOf } from '@stream-processing/runtime/config.ts';
import { inject, onTestFinished } from 'vitest';
import { until } from './until.ts';

const root = path.join(import.meta.dirname, '..');

export interface RunningProcess {
  child: ChildProcess;
  /** Standard output and error so far. */
  output: () => string;
  /** The exit code, or the signal that ended it. */
  ended: Promise<number | NodeJS.Signals>;
}

/** Runs a file of the project on this Node with this environment alone; killed when the test ends. */
export function run(file: string, env: Record<string, string>, args: string[] = []): RunningProcess {
  return runNode([path.join(root, file), ...args], env);
}

/** The same of whatever Node is to be called with. */
export function runNode(args: string[], env: Record<string, string> = {}, cwd = root): RunningProcess {
  const child = spawn(process.execPath, args, {
    cwd,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const ended = once(child, 'close').then(([code, signal]) => code ?? signal);
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return { child, output: () => output, ended };
}

/** The first line of output that matches; rejects with all the output when there is none in time, which eight that start at once may need. */
export async function line(running: RunningProcess, pattern: RegExp, ms = 60_000): Promise<RegExpExecArray> {
  let found: RegExpExecArray | null = null;
  await until(
    `${pattern} in the output of a process`,
    () => {
      found = pattern.exec(running.output());
      if (!found && running.child.exitCode !== null)
        throw new Error(`ended without ${pattern}:\n${running.output()}`);
      return found !== null;
    },
    ms,
  ).catch((error) => {
    throw new Error(`${error.message}; its output:\n${running.output()}`);
  });
  return found!;
}

export interface ServiceProcess extends RunningProcess {
  name: ServiceName;
  url: string;
}

/** Where there are brokers (`npm run test:kafka`) events travel by them, in topics of `owner`'s own. */
export function logSettings(owner: string): Record<string, string> {
  const brokers = inject('kafkaBrokers');
  if (!brokers) return {};
  return {
    EVENT_LOG: 'kafka',
    KAFKA_BROKERS: brokers.join(','),
    KAFKA_TOPIC_PREFIX: `proof-${owner}.`,
    KAFKA_RETENTION_HOURS: '1',
  };
}

/** One instance of one service in a process of its own, on a free port unless `env` names one. `urls`: one database for all, or one for each. */
export async function startService(
  name: ServiceName,
  urls: string | Record<ServiceName, string>,
  env: Record<string, string> = {},
): Promise<ServiceProcess> {
  const databases: Record<string, string> =
    typeof urls === 'string'
      ? { DATABASE_URL: urls }
      : Object.fromEntries(SERVICES.map((each) => [settingOf(each, 'DATABASE_URL'), urls[each]]));
  // The same for all that share a database.
  const [first] = Object.values(databases);
  const running = run(`services/${name}/main.ts`, {
    ...databases,
    ...logSettings(new URL(first!).pathname.slice(1)),
    [settingOf(name, 'PORT')]: '0',
    LOG_LEVEL: 'warn',
    ...env,
  });
  const [, url] = await line(running, / on (http:\/\/\S+) ready/);
  return { ...running, name, url: url! };
}

/** One instance of each service. */
export async function startAll(
  urls: string | Record<ServiceName, string>,
  env?: Record<string, string>,
): Promise<Record<ServiceName, ServiceProcess>> {
  const started = await Promise.all(SERVICES.map((name) => startService(name, urls, env)));
  return eachService((name) => started.find((service) => service.name === name)!);
}

export function urlsOf(services: Record<ServiceName, ServiceProcess>): Record<ServiceName, string> {
  return eachService((name) => services[name].url);
}
