import { expect, onTestFinished, test } from 'vitest';
import { createDatabase } from '../test/database.ts';
import { until } from '../test/until.ts';
import { Listener } from './listener.ts';
import { connect } from './sql.ts';

async function given() {
  const url = await createDatabase();
  const sql = connect(url, { max: 1, name: 'test', schema: 'public' });
  onTestFinished(() => sql.end());
  const open = (id: string) => {
    const heard: string[] = [];
    const met: string[] = [];
    const listener = new Listener(url, {
      name: id,
      id,
      onNotify: (channel, payload) => void heard.push(`${channel} ${payload}`),
      onOthers: (name) => void met.push(name),
    });
    onTestFinished(() => listener.close());
    return { listener, heard, met };
  };
  return { sql, open };
}

test('hears its channels on one connection, and again after that was lost', async () => {
  const { sql, open } = await given();
  const { listener, heard } = open('ears');
  let begun = 0;
  const onHeard = () => {
    begun += 1;
  };
  listener.listen('orders 1', 'orders', onHeard);
  listener.listen('users 1', 'users', onHeard);
  const ears = () => sql<{ pid: number }[]>`select pid from pg_stat_activity where application_name = 'ears'`;
  const say = (word: string) =>
    sql`select pg_notify(channel, ${word}) from unnest(array['orders 1', 'users 1', 'users 2']) as channel`;

  await until('both channels are heard, which is told once', () => begun === 1);
  await say('first');
  await until('both channels hear it', () => heard.length === 2);
  expect(await ears()).toHaveLength(1);
  await sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'ears'`;
  await until('both channels are heard again, which is told', () => begun === 2);
  await say('second');
  await until('both channels hear it again', () => heard.length === 4);
  expect(heard.toSorted()).toEqual(['orders 1 first', 'orders 1 second', 'users 1 first', 'users 1 second']);
});

test('what is heard already is not told again, and stays heard for the next one', async () => {
  const { sql, open } = await given();
  const { listener, heard } = open('ears');
  const { promise: isHeard, resolve } = Promise.withResolvers<void>();
  const first = listener.listen('orders 1', 'orders', resolve);
  expect(first.isKnown()).toBe(false);
  await isHeard;
  first.release();
  const again: string[] = [];
  const second = listener.listen('orders 1', 'orders', () => void again.push('told again'));
  await sql`select pg_notify('orders 1', 'news')`;
  await until('it hears news', () => heard.length === 1);
  expect(again).toEqual([]);
  await until('whoever announces must know of it by now', () => second.isKnown());
});

test('knows under which names other processes are there', async () => {
  const { open } = await given();
  const { listener: first, met } = open('first');
  first.join('orders');
  first.join('users');
  const orders = () => first.hasOthers('orders');
  const users = () => first.hasOthers('users');
  expect([orders(), users()]).toEqual([true, true]);
  await until('the first one sees that it is alone', () => !orders() && !users());
  expect(met).toEqual([]);
  const { listener: second } = open('second');
  second.join('orders');
  await until('the first one sees the second', orders);
  expect(users()).toBe(false);
  await until('it is told of it', () => met.includes('orders'));
  expect(met).not.toContain('users');
  await second.close();
  await until('the first one is alone again', () => !orders());
});

test('whoever heeds a name knows at once of another process that comes', async () => {
  const { sql, open } = await given();
  const { listener: first, met } = open('first');
  // Nobody asks hasOthers, so it is not counted who is there.
  first.join('orders');
  first.heed('orders');
  const locks = () => sql`
    select from pg_locks where locktype = 'advisory'
      and database = (select oid from pg_database where datname = current_database())`;
  await until('the first one is there, and listens', async () => (await locks()).length === 1);
  const { listener: second } = open('second');
  second.join('orders');
  await until('it is told', () => met.length > 0);
  expect(met).toEqual(['orders']);
});

test('others see for whom somebody listens, and for whom nobody does', async () => {
  const { open } = await given();
  const { listener: speaker } = open('speaker');
  const { listener: ears } = open('ears');
  const isHeard = (name: string) => speaker.hasOthers(name);
  expect([isHeard('orders'), isHeard('users')]).toEqual([true, true]);
  await until('nobody listens', () => !isHeard('orders') && !isHeard('users'));
  ears.listen('orders 1', 'orders', () => {});
  await until('somebody listens', () => isHeard('orders'));
  expect(isHeard('users')).toBe(false);
});
