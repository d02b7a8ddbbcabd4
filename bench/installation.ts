/** The product as `npm start` runs it, a process of its own, on a database of the benchmark's server. */
import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import { settingOf } from '@stream-processing/runtime/config.ts';
import { type Program, startProgram } from './program.ts';

export type Urls = Record<ServiceName, string>;

export interface Product extends Program {
  urls: Urls;
}

/** Starts it on free ports of the loopback interface; `databaseUrl` undefined: on an embedded PostgreSQL in `dataDir`. */
export async function startProduct(options: {
  databaseUrl?: string;
  dataDir?: string;
  folder: string;
  signal: AbortSignal;
  /** Further settings. */
  more?: NodeJS.ProcessEnv;
}): Promise<Product> {
  const { databaseUrl = '', dataDir, folder, signal, more } = options;
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    ...more,
    HOST: '127.0.0.1',
    LOG_LEVEL: 'warn',
    DATABASE_URL: databaseUrl,
    DATA_DIR: dataDir,
  };
  for (const service of SERVICES) {
    env[settingOf(service, 'PORT')] = '0';
    env[settingOf(service, 'DATABASE_URL')] = '';
  }
  const program = await startProgram({ file: 'everything.ts', env, ready: /is ready$/, folder, signal });
  const urls = SERVICES.map((service) => {
    const line = program.lines.find((text) => text.startsWith(`${service} `));
    return [service, /http:\/\/\S+/.exec(line ?? '')?.[0]];
  });
  return { ...program, urls: Object.fromEntries(urls) as Urls };
}
