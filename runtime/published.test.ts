import { expect, onTestFinished, test } from 'vitest';
import { connectKafka, createRelay } from '../kafka/given.ts';
import { add, createToy, PARTITIONS, TOY, toyPipeline } from '../test/toy.ts';
import { until } from '../test/until.ts';
import { Announcer, Bus } from './announcements.ts';
import type { LogReader } from './log.ts';

/** An instance that relays nothing, and cannot ask any broker. */
async function given() {
  const { url, sql, bus } = await createToy();
  const { promise: heard, resolve } = Promise.withResolvers<void>();
  const { hear } = bus;
  bus.hear = (service, of, partition, onHeard) =>
    hear.call(bus, service, of, partition, () => {
      resolve();
      onHeard();
    });
  const nowhere = { brokers: ['127.0.0.1:1'], topicPrefix: '', replicationFactor: 1, retentionHours: 1 };
  const kafka = connectKafka(nowhere);
  let log!: LogReader;
  const { relay } = createRelay(url, bus, kafka, (own) => {
    log = own;
    return log;
  });
  const others = new Bus();
  others.join(TOY, url);
  const announcer = new Announcer(TOY, sql, others);
  onTestFinished(async () => {
    await announcer.close();
    await others.close();
  });
  const pipeline = toyPipeline(sql).pipeline;
  return { published: relay.published, kafka, log, heard, announcer, pipeline };
}

test('who waits for what another instance publishes is woken by it, and need not find it in Kafka', async () => {
  const { published, heard, announcer } = await given();
  const waiting = published.until(1, 7);
  await heard;
  announcer.tell([{ of: 'published', partition: 1, position: 7 }]);
  await expect(waiting).resolves.toBeUndefined();
});

test('who waits finds it in Kafka where he is not woken, also while the leader of another partition is silent', async () => {
  const { published, kafka } = await given();
  const { promise: asked, resolve: onAsked } = Promise.withResolvers<void>();
  kafka.nextOffset = (_topic, partition) => {
    if (partition === 2) return Promise.resolve(1);
    onAsked();
    return new Promise(() => {});
  };
  // Published between the first look, as hearing begins, and the next one.
  let looks = 0;
  kafka.recordsAt = async () => {
    looks += 1;
    const position = looks === 1 ? 6 : 7;
    return [{ offset: 0, position, end: position, event: undefined }];
  };
  void published.until(1, 7).catch(() => {});
  await asked;
  await expect(published.until(2, 7)).resolves.toBeUndefined();
});

test('what was read is told when others can see what it was read from, of its partitions alone', async () => {
  const { published, pipeline } = await given();
  for (const user_id of [1, 1, 2]) await pipeline.submit(add(user_id));
  await expect(published.untilVisible([0, 3]), 'nothing is there').resolves.toBeUndefined();
  await expect(published.untilVisible([1])).rejects.toMatchObject({ code: 'not_fresh' });
  const told = published.untilVisible([1]);
  published.reached(1, 2);
  await expect(told).resolves.toBeUndefined();
  await expect(published.untilVisible([1, 2])).rejects.toMatchObject({ code: 'not_fresh' });
});

test('an answer waits for its position, for what the log holds, or for all partitions', async () => {
  const { published, log, pipeline } = await given();
  for (const user_id of [1, 1, 2]) await pipeline.submit(add(user_id));
  const order: string[] = [];
  // Each has heard where the log ends before anything is published.
  let asked = 0;
  const { end } = log;
  log.end = async (partition) => {
    const found = await end(partition);
    asked += 1;
    return found;
  };
  const wait = (what: string, told: Parameters<typeof published.untilTold>[0]) =>
    published.untilTold(told)?.then(() => void order.push(what));
  const waits = [
    wait('all', { partition: undefined, position: undefined }),
    wait('what the log holds', { partition: 1, position: undefined }),
    wait('its position', { partition: 1, position: 1 }),
  ];
  await until('the end of each partition is known, of one twice', () => asked === PARTITIONS + 1);
  published.reached(1, 1);
  await waits[2];
  published.reached(1, 2);
  await waits[1];
  published.reached(2, 1);
  await waits[0];
  expect(order).toEqual(['its position', 'what the log holds', 'all']);
  expect(published.untilTold({ partition: 1, position: 2 }), 'nothing to wait for').toBeUndefined();
});

test('a log that does not answer is waited for no longer than what it would tell', async () => {
  const { published, log } = await given();
  log.end = () => new Promise(() => {});
  const began = performance.now();
  await expect(published.untilVisible([1])).rejects.toMatchObject({ code: 'not_fresh' });
  const late = published.untilTold({ partition: 2, position: undefined })!;
  await until('others are refused meanwhile', () => published.isBehind(2), 8000);
  expect(published.isBehind(1)).toBe(false);
  expect(published.isBehind()).toBe(true);
  expect(published.isMostlyBehind, 'one of four').toBe(false);
  await expect(late).rejects.toMatchObject({ code: 'outcome_unknown' });
  expect(published.isBehind()).toBe(false);
  expect(performance.now() - began, 'ms').toBeLessThan(15_000);
});

test('who waits while this instance gives the partition up finds in Kafka what another one published', async () => {
  const { published, kafka } = await given();
  kafka.nextOffset = async () => 1;
  kafka.recordsAt = async () => [{ offset: 0, position: 7, end: 7, event: undefined }];
  published.hold(1, true);
  const waiting = published.until(1, 7);
  published.hold(1, false);
  await expect(waiting).resolves.toBeUndefined();
});
