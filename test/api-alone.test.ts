import { createContext, stopServices } from '@stream-processing/runtime/main.ts';
import {
  type RunningService,
  type ServiceContext,
  startService,
} from '@stream-processing/runtime/service.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { billingService } from '../services/billing-service/service.ts';
import { notificationService } from '../services/notification-service/service.ts';
import { orderService } from '../services/order-service/service.ts';
import { userService } from '../services/user-service/service.ts';
import { Api, type Urls } from './api.ts';
import { createKeptDatabase } from './database.ts';
import { testConfig } from './installation.ts';
import { expectProblem } from './replies.ts';

let database: Awaited<ReturnType<typeof createKeptDatabase>>;
let services: RunningService[];
let context: ServiceContext;

/** Starts services beside those that run already; answers a client of all that run now. */
async function start(...starting: Promise<RunningService>[]): Promise<Api> {
  services.push(...(await Promise.all(starting)));
  return new Api(Object.fromEntries(services.map((service) => [service.name, service.url])) as Urls);
}

beforeAll(async () => {
  database = await createKeptDatabase();
  services = [];
  context = createContext(testConfig(database.url));
});
afterAll(async () => {
  await stopServices(services, context);
  await database.drop();
});

test('services that start before user-service say that they cannot know, and work as soon as it is there', async () => {
  const early = await start(
    startService(billingService, context),
    startService(orderService, context),
    startService(notificationService, context),
  );
  const letter = { user_id: 1, email: 'a@example.org', subject: 'Hello', body: 'How are you?' };
  for (const reply of await Promise.all([
    early.account(1),
    early.deposit(1, 5),
    early.order(1, 5),
    early.get('order-service', '/orders?user_id=1'),
    early.get('notification-service', '/notifications?user_id=1'),
    early.post('notification-service', '/notifications', letter),
  ])) {
    expectProblem(reply, 'not_fresh');
    expect(reply.body.detail).toContain('user-service');
  }
  for (const service of ['order-service', 'notification-service'] as const) {
    const path = service === 'order-service' ? '/orders' : '/notifications';
    expectProblem(await early.get(service, `${path}?user_id=1&consistency=eventual`), 'user_not_found');
    expect((await early.get(service, '/health/ready')).status).toBe(200);
  }

  const complete = await start(startService(userService, context));
  expect(await complete.userWith(5)).toBe(1);
  expect(await complete.order(1, 5)).toMatchObject({ status: 201, body: { status: 'confirmed' } });
  expect(await complete.letters(1)).toHaveLength(1);
});
