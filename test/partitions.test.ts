import { expect, test } from 'vitest';
import { Api, type Urls } from './api.ts';
import { createDatabase } from './database.ts';
import { line, run, startService } from './processes.ts';

test('with another number of partitions than those that it follows a service does not start, and one that came first stands still', async () => {
  const databaseUrl = await createDatabase();
  const billing = await startService('billing-service', databaseUrl);
  // Billing has nothing to compare with before.
  const users = await startService('user-service', databaseUrl, { PARTITIONS: '32' });
  const differs =
    /the log of user-service has 32 partitions, but PARTITIONS is 16 here: it has to be the same everywhere/;
  await line(billing, differs);
  const api = new Api({ 'user-service': users.url, 'billing-service': billing.url } as Urls);
  const { body: user } = await api.createUser();
  expect(await api.account(user.id)).toMatchObject({ status: 503, body: { code: 'not_fresh' } });
  const late = run('services/notification-service/main.ts', {
    DATABASE_URL: databaseUrl,
    NOTIFICATION_PORT: '0',
  });
  expect(await late.ended).toBe(1);
  expect(late.output()).toMatch(new RegExp(`^${differs.source}\n$`));
});
