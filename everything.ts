/** `npm start`: the four services in one process, on an embedded PostgreSQL unless DATABASE_URL names another. */
import path from 'node:path';
import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import { type Config, readConfig } from '@stream-processing/runtime/config.ts';
import { createContext, runUntilStopped, stopServices } from '@stream-processing/runtime/main.ts';
import { type RunningService, startService } from '@stream-processing/runtime/service.ts';
import { defaultDataDir } from './embedded/data-dir.ts';
import { startEmbeddedPostgres } from './embedded/postgres.ts';
import { billingService } from './services/billing-service/service.ts';
import { notificationService } from './services/notification-service/service.ts';
import { orderService } from './services/order-service/service.ts';
import { userService } from './services/user-service/service.ts';

await runUntilStopped(async (stopping) => {
  const config = readConfig(process.env);
  const database = await startMissingDatabase(config);
  void database?.gone.then(() => {
    console.error(`the embedded PostgreSQL has ended: postgres.log in ${database.dataDir} says why`);
    process.exit(1);
  });
  const context = createContext(config, stopping);
  // Together, since each migrates its own schema and then looks for the others' logs.
  const starts = await Promise.allSettled([
    startService(userService, context),
    startService(billingService, context),
    startService(notificationService, context),
    startService(orderService, context),
  ]);
  const services = starts.flatMap((start) => (start.status === 'fulfilled' ? start.value : []));
  const stop = async () => {
    await stopServices(services, context);
    await database?.stop();
  };
  const failed = starts.find((start) => start.status === 'rejected');
  if (failed) {
    await stop();
    throw failed.reason;
  }
  printGuide(services);
  return stop;
});

async function startMissingDatabase(config: Config) {
  const missing = SERVICES.filter((service) => !config.databaseUrls[service]);
  if (missing.length === 0) return undefined;
  const dataDir = path.resolve(config.dataDir ?? (await defaultDataDir()));
  const database = await startEmbeddedPostgres({ dataDir });
  for (const service of missing) config.databaseUrls[service] = database.url;
  console.log(`PostgreSQL in ${dataDir}`);
  return { ...database, dataDir };
}

function printGuide(services: RunningService[]) {
  const url = Object.fromEntries(services.map((service) => [service.name, service.url])) as Record<
    ServiceName,
    string
  >;
  const json = "-H 'content-type: application/json'";
  for (const service of services)
    console.log(`${service.name.padEnd(21)} ${service.url}  documents: ${service.url}/docs`);
  console.log(
    `try: curl -s ${url['user-service']}/users ${json} -d '{"email":"anna@example.org","name":"Anna"}'`,
  );
  console.log(`then: curl -s ${url['billing-service']}/accounts/1/deposit ${json} -d '{"amount":100}'`);
  console.log(`and: curl -s ${url['order-service']}/orders ${json} -d '{"user_id":1,"price":30}'`);
  console.log('stream-processing is ready');
}
