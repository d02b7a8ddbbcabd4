import { expect, onTestFinished, test } from 'vitest';
import { createDatabase } from '../test/database.ts';
import { until } from '../test/until.ts';
import { Listener } from './listener.ts';
import { connect } from './sql.ts';

test('hears its channels on one connection, and again after that was lost', async () => {
  const url = await createDatabase();
  const sql = connect(url, { max: 1, name: 'test', schema: 'public' });
  onTestFinished(() => sql.end());
  const heard: string[] = [];
  const listener = new Listener(url, {
    name: 'ears',
    id: 'me',
    onNotify: (channel, payload) => void heard.push(`${channel} ${payload}`),
  });
  onTestFinished(() => listener.close());
  listener.listen('order-service');
  listener.listen('user-service');
  const ears = () => sql<{ pid: number }[]>`select pid from pg_stat_activity where application_name = 'ears'`;

  // Nobody knows when listening begins, so speak until it is heard.
  const hears = (word: string) =>
    until(`both channels hear ${word}`, async () => {
      await sql`select pg_notify(channel, ${word}) from unnest(array['order-service', 'user-service', 'other']) as channel`;
      return heard.includes(`order-service ${word}`) && heard.includes(`user-service ${word}`);
    });
  await hears('first');
  expect(await ears()).toHaveLength(1);
  await sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'ears'`;
  await hears('second');
  expect(heard.filter((line) => line.startsWith('other'))).toEqual([]);
});

test('knows of each channel whether anybody else listens, at once of one that comes', async () => {
  const url = await createDatabase();
  const open = (id: string, ...channels: string[]) => {
    const listener = new Listener(url, { name: id, id, onNotify: () => {} });
    onTestFinished(() => listener.close());
    for (const channel of channels) listener.listen(channel);
    return listener;
  };
  const first = open('first', 'order-service', 'user-service');
  const orders = () => first.hasOthers('order-service');
  const users = () => first.hasOthers('user-service');
  expect([orders(), users()]).toEqual([true, true]);
  await until('the first one sees that it is alone', () => !orders() && !users());
  const second = open('second', 'order-service');
  await until('the first one hears of the second', orders);
  expect(users()).toBe(false);
  await second.close();
  await until('the first one is alone again', () => !orders());
});
