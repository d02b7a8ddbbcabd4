import { expect, onTestFinished, test } from 'vitest';
import { connectKafka, createRelay } from '../kafka/given.ts';
import { createToy, TOY } from '../test/toy.ts';
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
  return { relay, kafka, heard, announcer };
}

test('who waits for what another instance publishes is woken by it, and need not find it in Kafka', async () => {
  const { relay, heard, announcer } = await given();
  const waiting = relay.published(1, 7);
  await heard;
  announcer.tell([{ of: 'published', partition: 1, position: 7 }]);
  await expect(waiting).resolves.toBeUndefined();
});

test('who waits finds it in Kafka where he is not woken, also while the leader of another partition is silent', async () => {
  const { relay, kafka } = await given();
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
  void relay.published(1, 7).catch(() => {});
  await asked;
  await expect(relay.published(2, 7)).resolves.toBeUndefined();
});
