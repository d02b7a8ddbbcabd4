import path from 'node:path';
import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import type { Config } from '@stream-processing/runtime/config.ts';
import { defaultDataDir } from './data-dir.ts';
import { visitEmbeddedPostgres } from './postgres.ts';

/** For a look into an installation's databases: as configured, the embedded one where nothing else is. */
export async function visitDatabases(
  config: Config,
): Promise<{ urls: Record<ServiceName, string>; close: () => Promise<void> }> {
  const missing = SERVICES.filter((service) => !config.databaseUrls[service]);
  const visit =
    missing.length > 0
      ? await visitEmbeddedPostgres(path.resolve(config.dataDir ?? (await defaultDataDir())))
      : undefined;
  const urls = SERVICES.map((service) => [service, config.databaseUrls[service] ?? visit!.url]);
  return { urls: Object.fromEntries(urls), close: async () => visit?.leave() };
}
