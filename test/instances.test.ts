/** Several instances of each service: how they share the work, and what callers notice when they come and go. */
import { eachService, SERVICES } from '@stream-processing/contracts/names.ts';
import { settingOf } from '@stream-processing/runtime/config.ts';
import { expect, inject, onTestFinished, test } from 'vitest';
import { Api, type Urls } from './api.ts';
import { createDatabase, createDatabases } from './database.ts';
import { type ServiceProcess, startService } from './processes.ts';
import { until } from './until.ts';

const PARTITIONS = 16;
const TAKEOVER_MS_MAX = 10_000;
/** Whoever stops lets go at once, and others look each second. */
const HANDOVER_MS_MAX = 3000;

/** What a caller may be told, besides the result: to repeat. By Kafka also where it, or another, was kept waiting for seconds. */
const REPEAT = inject('kafkaBrokers') ? ['stopping', 'overloaded', 'outcome_unknown'] : ['stopping'];

async function held({ url }: ServiceProcess): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^leases_held\{.*\} (\d+)$/m.exec(metrics)?.[1]);
}

/** Waits until these instances hold every partition, none more than one more than another. */
async function shared(what: string, instances: ServiceProcess[], ms = TAKEOVER_MS_MAX): Promise<void> {
  const isShared = async () => {
    const holds = await Promise.all(instances.map(held));
    const isEven = Math.max(...holds) - Math.min(...holds) <= 1;
    return isEven && holds.reduce((sum, one) => sum + one) === PARTITIONS;
  };
  await until(what, isShared, ms);
}

test('instances of a service share its partitions, and take over when one dies, stands still, stops or comes', async () => {
  const databaseUrl = await createDatabase();
  const start = () => startService('billing-service', databaseUrl);
  const [first, second, third] = [await start(), await start(), await start()];
  await shared('three instances share the partitions', [first, second, third]);
  first.child.kill('SIGKILL');
  await first.ended;
  await shared('two take over what the killed one worked on', [second, third]);
  third.child.kill('SIGSTOP');
  await shared('one takes over what the other, which stands still, worked on', [second]);
  third.child.kill('SIGCONT');
  await shared('that one gets its share again', [second, third]);
  third.child.kill('SIGTERM');
  expect(await third.ended).toBe(0);
  await shared('the last one takes over what the stopped one handed over', [second], HANDOVER_MS_MAX);
  await shared('a new one gets its share', [second, await start()]);
}, 120_000);

test('a rolling restart of everything under load: callers who repeat lose nothing, and are told nothing else than to repeat', async () => {
  const urls = await createDatabases();
  const instances: ServiceProcess[] = [];
  for (const name of SERVICES) {
    instances.push(...(await Promise.all([1, 2].map(() => startService(name, urls)))));
  }
  const urlsOf = (number: number): Urls =>
    eachService((name) => instances.filter((one) => one.name === name)[number]!.url);
  const apis = [new Api(urlsOf(0)), new Api(urlsOf(1))] as const;
  const users = await Promise.all(Array.from({ length: 8 }, () => apis[0].userWith(10_000)));

  let stop = false;
  onTestFinished(() => {
    stop = true;
  });
  let told = 0;
  const wrong: string[] = [];
  const caller = async (user_id: number) => {
    const ids = new Set<number>();
    for (let number = 1; !stop; number += 1) {
      const headers = { 'idempotency-key': `${user_id}-${number}` };
      for (let tries = 0; ; tries += 1) {
        // The other instance after each failure: refused and broken connections are a stop's, 503 says so itself.
        const answer = await apis[(number + tries) % 2 === 0 ? 0 : 1]
          .order(user_id, 1, headers)
          .catch(() => undefined);
        if (answer?.status === 201) {
          ids.add(answer.body.id);
          told += 1;
          break;
        }
        if (answer && answer.status !== 202 && !REPEAT.includes((answer.body as { code?: string }).code!))
          wrong.push(`${answer.status} ${JSON.stringify(answer.body)}`);
        if (tries > 1000) throw new Error(`order ${number} of user ${user_id} is never answered`);
      }
    }
    return { user_id, orders: ids.size };
  };
  const load = users.map(caller);
  for (const [i, instance] of instances.entries()) {
    const before = told;
    await until('orders go on', () => told > before + 20);
    instance.child.kill('SIGTERM');
    expect(await instance.ended).toBe(0);
    const settings = { [settingOf(instance.name, 'PORT')]: new URL(instance.url).port };
    instances[i] = await startService(instance.name, urls, settings);
  }
  const before = told;
  await until('orders go on after the last restart', () => told > before + 20);
  stop = true;
  expect(wrong).toEqual([]);
  for (const { user_id, orders } of await Promise.all(load)) {
    expect(await apis[0].all('order-service', `/orders?user_id=${user_id}`)).toHaveLength(orders);
    expect((await apis[1].account(user_id)).body.balance).toBe(10_000 - orders);
    expect(await apis[1].letters(user_id)).toHaveLength(orders);
  }
}, 180_000);
