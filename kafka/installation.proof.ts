import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import { expect, onTestFinished, test } from 'vitest';
import { createDatabase } from '../test/database.ts';
import { startInstallation } from '../test/installation.ts';
import { givenKafka } from './given.ts';

test('an order goes its way over Kafka, with a database for each service', async () => {
  const databases: Partial<Record<ServiceName, string>> = {};
  for (const service of SERVICES) databases[service] = await createDatabase();
  const { api, stop } = await startInstallation(databases as Record<ServiceName, string>, {
    kafka: givenKafka(),
  });
  onTestFinished(stop);
  const user = await api.createUser();
  console.log(user);
  expect(user).toBeDefined();
});
