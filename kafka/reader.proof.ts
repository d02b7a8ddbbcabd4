import { setTimeout as delay } from 'node:timers/promises';
import { KafkaFeed, type Subscription } from '@stream-processing/runtime/kafka-feed.ts';
import { type TopicRecord, toMessage } from '@stream-processing/runtime/kafka-records.ts';
import { LogMissing, LogUnavailable } from '@stream-processing/runtime/log.ts';
import { kafkaLog } from '@stream-processing/runtime/log-kafka.ts';
import { expect, onTestFinished, test } from 'vitest';
import { PARTITIONS, TOY } from '../test/toy.ts';
import { until } from '../test/until.ts';
import {
  connectKafka,
  givenLog,
  PARTITION,
  range,
  readAll,
  readTopic,
  sendUntilTaken,
  startRelay,
} from './given.ts';

/** Positions as they were sent, batch after batch. */
const REPEATED: { what: string; batches: [from: number, to: number][] }[] = [
  {
    // A crash repeats the first batch; in the end an instance that was paused sends what others sent long ago.
    what: 'an event that a repetition hides from the search is found, also when nothing comes after it',
    batches: [
      [1, 3],
      [1, 3],
      [4, 4],
      [5, 5],
      [6, 6],
      [7, 7],
      [1, 5],
    ],
  },
  {
    // The search for what follows on 6 ends in the last batch, behind 8.
    what: 'a reader that begins inside a batch that came late does not take its last event for the newest',
    batches: [...[1, 1, 1, 2, 3, 4, 5, 6, 7, 8].map((each): [number, number] => [each, each]), [4, 7]],
  },
];

test.each(REPEATED)('$what', async ({ batches }) => {
  const log = await givenLog();
  const newest = Math.max(...batches.flat());
  const events = await log.append(newest);
  for (const [from, to] of batches) {
    await sendUntilTaken(
      log.kafka,
      events.slice(from - 1, to).map((event) => toMessage(log.topic, TOY, event)),
    );
  }
  for (const after of range(0, newest - 1)) {
    const reader = readTopic(log.kafka);
    // By the first question: one that is not answered before the reader gives up is refused.
    const [first] = await reader.read(PARTITION, after, 1);
    expect(first?.position, `after ${after}`).toBe(after + 1);
    expect(await reader.end(PARTITION), `after ${after}`).toBe(newest);
    expect(await readAll(reader, after, newest), `after ${after}`).toEqual(range(after + 1, newest));
  }
});

test('an event that the topic says there is and does not have is said to be missing, again and again, and not looked for at once', async () => {
  const log = await givenLog();
  const events = await log.append(3);
  // A filling whose relay ended half way.
  const half = events.slice(0, 2).map((event) => toMessage(log.topic, TOY, event, 3));
  await sendUntilTaken(log.kafka, half);
  const reader = readTopic(log.kafka);
  expect(await readAll(reader, 0, 2)).toEqual([1, 2]);
  reader.hint(PARTITION, 3);
  for (let i = 0; i < 2; i += 1) await expect(reader.read(PARTITION, 2, 10)).rejects.toThrow('does not come');
});

test('who was told of an event that has not come yet waits for it, and does not ask again and again', async () => {
  const log = await givenLog();
  const { relay } = startRelay(log.url, log.bus, log.kafka);
  await log.append(2);
  await relay.published.until(PARTITION, 2);
  const kafka = connectKafka(log.options, 'proof-reader');
  const reader = readTopic(kafka);
  expect(await readAll(reader, 0, 2)).toEqual([1, 2]);
  let asked = 0;
  const nextOffset = kafka.nextOffset.bind(kafka);
  // As between a broker's having a record and its coming: the topic reaches further than what was fetched.
  kafka.nextOffset = async (...place) => {
    asked += 1;
    return (await nextOffset(...place)) + 1;
  };
  kafka.recordsAt = async () => [{ offset: 3, position: 3, end: 3, event: undefined }];
  const waiting = reader.read(PARTITION, 2, 10);
  expect(await Promise.race([waiting, delay(500, 'waits')])).toBe('waits');
  await log.append(1);
  expect(await waiting).toHaveLength(1);
  expect(asked).toBe(1);
});

test('a topic that is gone stops nobody who reads another one', async () => {
  const log = await givenLog();
  const { relay } = startRelay(log.url, log.bus, log.kafka);
  const kafka = connectKafka(log.options, 'proof-reader');
  const feed = new KafkaFeed(kafka, 'proof-feed', () => {});
  const reader = kafkaLog({ kafka, feed, topic: log.topic });
  onTestFinished(async () => {
    await reader.close();
    await feed.close();
  });
  await log.append(1);
  await relay.published.until(PARTITION, 1);
  expect(await readAll(reader, 0, 1)).toEqual([1]);
  await kafka.createTopic('order-service', PARTITIONS);
  const gone = kafka.topicOf('order-service');
  let known = false;
  const leadersOf = kafka.leadersOf.bind(kafka);
  kafka.leadersOf = async (topic) => {
    const found = await leadersOf(topic);
    known ||= topic === gone;
    return found;
  };
  const lost = range(0, PARTITIONS - 1).map((partition) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    // It has enough for now, so that no fetch tells it what became of its topic.
    feed.add({ topic: gone, partition, next: 0, isFull: () => true, deliver: () => {}, lost: resolve });
    return promise;
  });
  await until('the feed knows who leads the topic', () => known);
  await log.admin.deleteTopics({ topics: [gone] });
  await until('nobody knows the topic any more', async () => {
    kafka.forgetLeaders();
    return kafka.leadersOf(gone).then(
      () => false,
      () => true,
    );
  });
  await log.append(1);
  expect(await readAll(reader, 1, 2)).toEqual([2]);
  await Promise.all(lost);
});

test('of a topic that was made anew the end is asked for anew, also by a reader who has not noticed', async () => {
  const log = await givenLog();
  await log.append(1);
  // More offsets than positions, as crashes leave them.
  const [event] = await log.append(1);
  const repeated = () => sendUntilTaken(log.kafka, [toMessage(log.topic, TOY, event!)]);
  const { relay, stop } = startRelay(log.url, log.bus, log.kafka);
  await relay.published.until(PARTITION, 2);
  await stop();
  for (let i = 0; i < 20; i += 1) await repeated();
  const kafka = connectKafka(log.options, 'proof-reader');
  // A feed that brings what is there, and hears of nothing that happens to the topic.
  const feed = {
    async add(follower: Subscription) {
      const records: TopicRecord[] = [];
      const next = await kafka.nextOffset(log.topic, PARTITION);
      follower.topicId = (await kafka.leadersOf(log.topic)).id;
      while (follower.next < next) {
        records.push(...(await kafka.recordsAt(log.topic, PARTITION, follower.next)));
        follower.next = records.at(-1)!.offset + 1;
      }
      follower.deliver(records);
    },
    remove() {},
  };
  const reader = kafkaLog({ kafka, feed: feed as unknown as KafkaFeed, topic: log.topic });
  onTestFinished(() => reader.close());
  expect(await readAll(reader, 0, 2)).toEqual([1, 2]);
  expect(await reader.end(PARTITION)).toBe(2);
  await log.admin.deleteTopics({ topics: [log.topic] });
  await log.append(1);
  const again = startRelay(log.url, log.bus, connectKafka(log.options, 'proof-relay'));
  await again.relay.published.until(PARTITION, 3);
  // Somebody was told of position 3. Whoever asks hears of it, or that there is no answer.
  await until('the end is told', () =>
    reader.end(PARTITION).then(
      (end) => {
        expect(end).toBe(3);
        return true;
      },
      (error) => {
        if (error instanceof LogMissing || error instanceof LogUnavailable) return false;
        throw error;
      },
    ),
  );
});
