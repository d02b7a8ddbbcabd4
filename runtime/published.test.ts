import { expect, onTestFinished, test } from 'vitest';
import { connectKafka, createRelay } from '../kafka/given.ts';
import { add, createToy, TOY, toyPipeline } from '../test/toy.ts';
import { Announcer, Bus } from './announcements.ts';

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
  const relay = createRelay(url, bus, kafka);
  const others = new Bus();
  others.join(TOY, url);
  const announcer = new Announcer(TOY, sql, others);
  onTestFinished(async () => {
    await announcer.close();
    await others.close();
  });
  const pipeline = toyPipeline(sql).pipeline;
  return { published: relay.published, kafka, heard, announcer, pipeline };
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

test('an answer about a user without an event of its own waits for what was said about him before', async () => {
  const { published, pipeline } = await given();
  await pipeline.submit(add(1));
  const nothing = { ends: new Map(), besides: new Set<number>(), isMore: false };
  expect(published.untilTold(nothing), 'nothing is told').toBeUndefined();
  let isTold = false;
  const told = published.untilTold({ ...nothing, besides: new Set([1]) })!.then(() => {
    isTold = true;
  });
  await published.untilTold({ ...nothing, besides: new Set([2]) });
  expect(isTold).toBe(false);
  published.reached(1, 1);
  await told;
});
