import { expect, onTestFinished, test } from 'vitest';
import { until } from '../test/until.ts';
import type { Kafka } from './kafka.ts';
import { KafkaFeed, type Subscription } from './kafka-feed.ts';

/** A cluster as far as the feed asks it: topics whose partitions have leaders, and fetches that find nothing new. */
function cluster(topics: Record<string, number[]>) {
  /** How often each broker was fetched from, by `topic partition`. */
  const fetched: Record<number, Set<string>> = {};
  /** Nobody is told leaders before it resolves. */
  let held: Promise<void> | undefined;
  const consumer = {
    async fetch({ node, topics }: { node: number; topics: { topicId: string; partitions: object[] }[] }) {
      const names = topics.flatMap(({ topicId, partitions }) =>
        partitions.map((each) => `${topicId} ${(each as { partition: number }).partition}`),
      );
      fetched[node] = new Set(names);
      await new Promise(setImmediate);
      return { responses: [] };
    },
    clearMetadata() {},
    async close() {},
  };
  const kafka = {
    consumer: () => consumer,
    async leadersOf(topic: string) {
      await held;
      return { id: topic, leaders: topics[topic]! };
    },
    forgetLeaders() {},
  };
  const feed = new KafkaFeed(kafka as unknown as Kafka, 'test', (error) => {
    throw error;
  });
  onTestFinished(() => feed.close());
  const fetches = (node: number) => [...(fetched[node] ?? [])].sort();
  const hold = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    held = promise;
    return resolve;
  };
  return { topics, feed, fetches, hold };
}

function subscription(topic: string, partition: number): Subscription {
  return { topic, partition, next: 0, isFull: () => false, deliver() {}, lost() {} };
}

test('a partition is followed to a new leader also where no fetch fails for it', async () => {
  const { topics, feed, fetches } = cluster({ orders: [1, 1] });
  feed.add(subscription('orders', 0));
  feed.add(subscription('orders', 1));
  await until('both are fetched', () => fetches(1).length === 2);
  topics.orders = [1, 2];
  await until('one is fetched from its new leader', () => fetches(2).join() === 'orders 1');
  expect(fetches(1)).toEqual(['orders 0']);
});

test('what is added in place of another, while leaders are asked for, is fetched too', async () => {
  const { feed, fetches, hold } = cluster({ orders: [1], users: [2] });
  const answer = hold();
  const first = subscription('orders', 0);
  feed.add(first);
  feed.remove(first);
  feed.add(subscription('users', 0));
  answer();
  await until('it is fetched from its leader', () => fetches(2).join() === 'users 0');
  expect(fetches(1)).toEqual([]);
});
