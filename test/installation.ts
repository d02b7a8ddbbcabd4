import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import type { Config } from '@stream-processing/runtime/config.ts';
import { createContext, stopServices } from '@stream-processing/runtime/main.ts';
import { startService } from '@stream-processing/runtime/service.ts';
import { inject } from 'vitest';
import { givenKafka } from '../kafka/given.ts';
import { billingService } from '../services/billing-service/service.ts';
import { notificationService } from '../services/notification-service/service.ts';
import { orderService } from '../services/order-service/service.ts';
import { userService } from '../services/user-service/service.ts';
import { Api, type Urls } from './api.ts';

/** `urls`: one database for all, or one for each. */
export function testConfig(urls: string | Record<ServiceName, string>): Config {
  const urlOf = (service: ServiceName) => (typeof urls === 'string' ? urls : urls[service]);
  return {
    host: '127.0.0.1',
    ports: { 'user-service': 0, 'billing-service': 0, 'notification-service': 0, 'order-service': 0 },
    dataDir: undefined,
    databaseWaitSeconds: 0,
    databaseUrls: Object.fromEntries(SERVICES.map((service) => [service, urlOf(service)])),
    installation: { partitions: 16, currency: 'RUB' },
    logRetentionHours: 0,
    kafka: inject('kafkaBrokers') && givenKafka(),
    logLevel: process.env.TEST_LOG_LEVEL ?? 'silent',
  };
}

/** The four services in this process, as `npm start` runs them, on free ports. */
export async function startInstallation(
  databases: string | Record<ServiceName, string>,
  settings: Partial<Config> = {},
) {
  const config = { ...testConfig(databases), ...settings };
  const context = createContext(config);
  const services = await Promise.all([
    startService(userService, context),
    startService(billingService, context),
    startService(notificationService, context),
    startService(orderService, context),
  ]);
  const urls = Object.fromEntries(services.map((service) => [service.name, service.url])) as Record<
    ServiceName,
    string
  >;
  let stopped: Promise<void> | undefined;
  /** Once, however often it is asked for. */
  const stop = () => {
    stopped ??= stopServices(services, context);
    return stopped;
  };
  return { api: new Api(urls satisfies Urls), urls, stop };
}
