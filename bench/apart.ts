/** The product as it runs on several machines: each service in processes of its own, here all on this one. */
import { eachService, SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import { settingOf } from '@stream-processing/runtime/config.ts';
import type { Urls } from './installation.ts';
import { type Program, startProgram } from './program.ts';

export interface Apart {
  /** Of the first instance of each service. */
  urls: Urls;
  /** Of all instances. */
  all: Record<ServiceName, string[]>;
  pids: number[];
  stop(): Promise<void>;
}

export interface ApartOptions {
  databaseUrls: Record<ServiceName, string>;
  /** Of each service. */
  instances: number;
  folder: string;
  signal: AbortSignal;
  /** Further settings. */
  more?: NodeJS.ProcessEnv;
}

export async function startApart({
  databaseUrls,
  instances,
  folder,
  signal,
  more,
}: ApartOptions): Promise<Apart> {
  const started: { service: ServiceName; program: Program }[] = [];
  const stop = async () => void (await Promise.all(started.map(({ program }) => program.stop())));
  const start = async (service: ServiceName) => {
    const env: NodeJS.ProcessEnv = {
      ...process.env,
      ...more,
      HOST: '127.0.0.1',
      LOG_LEVEL: 'warn',
      [settingOf(service, 'PORT')]: '0',
    };
    for (const each of SERVICES) env[settingOf(each, 'DATABASE_URL')] = databaseUrls[each];
    const file = `services/${service}/main.ts`;
    started.push({ service, program: await startProgram({ file, env, ready: / ready$/, folder, signal }) });
  };
  try {
    await Promise.all(SERVICES.flatMap((service) => Array.from({ length: instances }, () => start(service))));
  } catch (error) {
    await stop();
    throw error;
  }
  const urlsOf = (service: ServiceName) =>
    started
      .filter((each) => each.service === service)
      .map(({ program }) => /http:\/\/\S+/.exec(program.lines.at(-1)!)![0]);
  const all = eachService(urlsOf);
  const urls = eachService((service) => all[service][0]!);
  return { urls, all, pids: started.map(({ program }) => program.pid), stop };
}
