import { Bus } from '@stream-processing/runtime/announcements.ts';
import { toMessage } from '@stream-processing/runtime/kafka-records.ts';
import { LogMissing, LogTruncated } from '@stream-processing/runtime/log.ts';
import { RELAY, removeOld, tellPassed } from '@stream-processing/runtime/retention.ts';
import { expect, onTestFinished, test } from 'vitest';
import { PARTITIONS, TOY } from '../test/toy.ts';
import { succeeds, until } from '../test/until.ts';
import {
  connectKafka,
  givenLog,
  PARTITION,
  range,
  readAll,
  readTopic,
  sendUntilTaken,
  startRelay,
  untilOpened,
} from './given.ts';

test('two relays of the same partitions at once: every event is there, and read once', async () => {
  const log = await givenLog();
  const one = startRelay(log.url, log.bus, log.kafka);
  const two = startRelay(log.url, log.bus, connectKafka(log.options, 'proof-two'));
  for (let i = 0; i < 40; i += 1) await log.append(3);
  await Promise.all([one.relay.published.until(PARTITION, 120), two.relay.published.until(PARTITION, 120)]);
  const reader = readTopic(log.kafka);
  expect(await readAll(reader, 0, 120)).toEqual(range(1, 120));
  const { next } = await log.kafka.offsetsOf(log.topic, PARTITION);
  expect(next, 'both wrote').toBeGreaterThan(121);
});

test('a relay goes on where the one before it ended, and copies nothing twice', async () => {
  const log = await givenLog();
  const first = startRelay(log.url, log.bus, log.kafka);
  await log.append(5);
  await first.relay.published.until(PARTITION, 5);
  expect(first.relay.published.holds(PARTITION)).toBe(true);
  await first.stop();
  expect(first.relay.published.holds(PARTITION), 'what others relay has to be heard of').toBe(false);
  expect(first.told).toContainEqual([PARTITION, 5]);
  await log.append(4);
  const second = startRelay(log.url, log.bus, log.kafka);
  await second.relay.published.until(PARTITION, 9);
  const { next } = await log.kafka.offsetsOf(log.topic, PARTITION);
  expect(next, 'the opening record and nine events').toBe(10);
});

test('a batch that a paused instance sends late hides nothing: neither the end nor what comes after', async () => {
  const log = await givenLog();
  const { relay, stop } = startRelay(log.url, log.bus, log.kafka);
  const early = await log.append(3);
  await log.append(4);
  await relay.published.until(PARTITION, 7);
  await stop();
  const late = early.map((event) => toMessage(log.topic, TOY, event));
  await log.kafka.send(late as [(typeof late)[0]]);
  const reader = readTopic(log.kafka);
  expect(await reader.end(PARTITION)).toBe(7);
  await log.append(2);
  const next = startRelay(log.url, log.bus, log.kafka);
  await next.relay.published.until(PARTITION, 9);
  for (const after of [0, 1, 2, 3, 6, 7, 8]) {
    const again = readTopic(log.kafka);
    expect(await readAll(again, after, 9), `after ${after}`).toEqual(range(after + 1, 9));
  }
});

test('a topic that is deleted is made again and filled again; who reads goes on behind what was read', async () => {
  const log = await givenLog();
  const { relay } = startRelay(log.url, log.bus, log.kafka);
  await log.append(600);
  await relay.published.until(PARTITION, 600);
  const reader = readTopic(log.kafka);
  expect(await readAll(reader, 0, 600)).toHaveLength(600);
  const never = new AbortController();
  const waiting = reader.wait(PARTITION, 600, never.signal);
  await log.admin.deleteTopics({ topics: [log.topic] });
  await log.append(2);
  // While there is no topic at all, a reader is told so.
  await waiting.catch((error) => expect(error).toBeInstanceOf(LogMissing));
  expect(await readAll(reader, 600, 602)).toEqual([601, 602]);
  expect(await readAll(readTopic(log.kafka), 0, 602), 'a new reader finds it all').toEqual(range(1, 602));
});

test('a topic that is deleted while there is nothing to relay is made and filled again all the same', async () => {
  const log = await givenLog();
  const { relay } = startRelay(log.url, log.bus, log.kafka);
  await log.append(3);
  await relay.published.until(PARTITION, 3);
  await log.admin.deleteTopics({ topics: [log.topic] });
  expect(await readAll(readTopic(log.kafka), 0, 3)).toEqual(range(1, 3));
});

test('while a topic is filled again its end is known already, so that no read takes half of it for everything', async () => {
  const log = await givenLog();
  const events = await log.append(20);
  const half = events.slice(0, 10).map((event) => toMessage(log.topic, TOY, event, 20));
  await log.kafka.send(half as [(typeof half)[0]]);
  expect(await readTopic(log.kafka).end(PARTITION)).toBe(20);
});

test('a relay that fills a topic again claims no more than is there, whatever the topic tells of the end', async () => {
  const log = await givenLog();
  const events = await log.append(20);
  const half = events.slice(0, 10).map((event) => toMessage(log.topic, TOY, event, 20));
  await log.kafka.send(half as [(typeof half)[0]]);
  const { promise: mayGoOn, resolve: goOn } = Promise.withResolvers<void>();
  onTestFinished(() => goOn());
  const { relay } = startRelay(log.url, log.bus, log.kafka, (reader) => ({
    ...reader,
    // It finds out where to go on, which takes one event of it, and gets no further.
    async read(partition, after, max) {
      if (max > 1) await mayGoOn;
      return reader.read(partition, after, max);
    },
  }));
  await until('it was at every partition', () => relay.relayed.length === PARTITIONS);
  // As one look at the topic tells, or another instance.
  log.bus.emit(TOY, [{ of: 'published', partition: PARTITION, position: 20 }], 'elsewhere');
  await relay.published.until(PARTITION, 20);
  expect(relay.relayed).toContainEqual({ partition: PARTITION, position: 10 });
  expect(relay.lag(PARTITION)).toBe(10);
  goOn();
  await until('it is filled', () => relay.relayed.some(({ position }) => position === 20));
});

test('a partition whose records were all too old still tells its end, and a reader behind hears what went', async () => {
  const log = await givenLog();
  const { relay } = startRelay(log.url, log.bus, log.kafka);
  await log.append(8);
  await relay.published.until(PARTITION, 8);
  const { next } = await log.kafka.offsetsOf(log.topic, PARTITION);
  const leader = (await log.kafka.metadataOf(log.admin, log.topic)).leaders[PARTITION]!;
  expect(leader).toBeGreaterThan(0);
  const partitions = [{ partition: PARTITION, offset: BigInt(next) }];
  await log.admin.deleteRecords({ topics: [{ name: log.topic, partitions }] });
  const reader = readTopic(log.kafka);
  await until(
    'the relay says where the log ends',
    async () => (await reader.end(PARTITION).catch(() => 0)) === 8,
  );
  expect(await reader.read(PARTITION, 8, 10)).toEqual([]);
  const behind = readTopic(log.kafka);
  await expect(behind.read(PARTITION, 4, 10), 'with nothing new').rejects.toMatchObject({ oldest: 9 });
  expect(behind.seen(PARTITION), 'no more than there was').toBe(8);
  await log.append(1);
  await relay.published.until(PARTITION, 9);
  await expect(reader.read(PARTITION, 4, 10)).rejects.toMatchObject({ oldest: 9 });
  expect(await readAll(reader, 8, 9)).toEqual([9]);
});

test('a topic that is filled anew when old events are kept nowhere begins where the log does, and a reader behind hears it', async () => {
  const log = await givenLog();
  const first = startRelay(log.url, log.bus, log.kafka);
  await log.append(6);
  await first.relay.published.until(PARTITION, 6);
  await tellPassed(log.sql, RELAY, first.relay.relayed);
  await first.stop();
  await log.sql`update log set created_at = created_at - interval '1 day' where position <= 4`;
  const before = new Date(Date.now() - 3_600_000);
  const removal = await removeOld(log.sql, {
    partition: PARTITION,
    before,
    now: new Date(),
    isRelayed: true,
  });
  expect(removal).toEqual({ events: 4, heldBackBy: undefined });
  await log.admin.deleteTopics({ topics: [log.topic] });
  // As a process that starts: what this one appended it would still remember.
  const bus = new Bus();
  onTestFinished(() => bus.close());
  const second = startRelay(log.url, bus, log.kafka);
  await second.relay.published.until(PARTITION, 6);
  expect(await readAll(readTopic(log.kafka), 4, 6)).toEqual([5, 6]);
  await expect(readTopic(log.kafka).read(PARTITION, 0, 10)).rejects.toMatchObject({ oldest: 5 });
  await log.append(1);
  await second.relay.published.until(PARTITION, 7);
  expect(await readAll(readTopic(log.kafka), 4, 7)).toEqual([5, 6, 7]);
});

test('a relay that finds neither events nor topic makes nobody wait for what went', async () => {
  const log = await givenLog();
  const first = startRelay(log.url, log.bus, log.kafka);
  await log.append(3);
  await first.relay.published.until(PARTITION, 3);
  await tellPassed(log.sql, RELAY, first.relay.relayed);
  await first.stop();
  expect(
    (await removeOld(log.sql, { partition: PARTITION, before: new Date(), now: new Date(), isRelayed: true }))
      .events,
  ).toBe(3);
  await log.admin.deleteTopics({ topics: [log.topic] });
  // Its leader goes on serving it for a moment.
  await until('the topic is gone', async () => !(await succeeds(log.kafka.nextOffset(log.topic, PARTITION))));
  const bus = new Bus();
  onTestFinished(() => bus.close());
  const second = startRelay(log.url, bus, log.kafka);
  // As a repeated request waits for all that its service ever told.
  await second.relay.published.until(PARTITION, 3);
  const reader = readTopic(log.kafka);
  // Not every broker has heard of the new one yet.
  await untilOpened(reader);
  expect(await reader.end(PARTITION)).toBe(3);
  expect(await reader.read(PARTITION, 3, 10)).toEqual([]);
  // At once, and not only when there is something new.
  await until('a reader behind hears what went', () =>
    readTopic(log.kafka)
      .read(PARTITION, 1, 10)
      .then(
        () => false,
        (error) => error instanceof LogTruncated && error.oldest === 4,
      ),
  );
});

test('records that the topic lost come again before anything new', async () => {
  const log = await givenLog();
  const first = startRelay(log.url, log.bus, log.kafka);
  const events = await log.append(4);
  await first.relay.published.until(PARTITION, 4);
  await first.stop();
  // As if position 3 and 4 had been lost and the next batch written: a hole between the last two batches.
  await log.admin.deleteTopics({ topics: [log.topic] });
  await until('the topic is gone', async () => {
    await log.kafka.createTopic(TOY, PARTITIONS).catch(() => {});
    return (await log.kafka.nextOffset(log.topic, PARTITION).catch(() => -1)) === 0;
  });
  const more = await log.append(2);
  for (const batch of [events.slice(0, 2), more]) {
    const messages = batch.map((event) => toMessage(log.topic, TOY, event));
    await log.kafka.send(messages as [(typeof messages)[0]]);
  }
  const second = startRelay(log.url, log.bus, log.kafka);
  await log.append(1);
  await second.relay.published.until(PARTITION, 7);
  expect(await readAll(readTopic(log.kafka), 0, 7)).toEqual(range(1, 7));
});

test('a batch that met a topic made anew is not taken for all that was before it', async () => {
  const log = await givenLog();
  const events = await log.append(6);
  // Written by a relay that knew the topic as it was before, and ended before it could look.
  await sendUntilTaken(
    log.kafka,
    events.slice(4).map((event) => toMessage(log.topic, TOY, event)),
  );
  const { relay } = startRelay(log.url, log.bus, log.kafka);
  await log.append(1);
  await relay.published.until(PARTITION, 7);
  expect(await readAll(readTopic(log.kafka), 0, 7)).toEqual(range(1, 7));
});

test('where the mending of such a loss was interrupted too, it goes on there', async () => {
  const log = await givenLog();
  const events = await log.append(6);
  const send = (from: number, to: number, end?: number) => {
    const batch = events.slice(from - 1, to).map((event) => toMessage(log.topic, TOY, event, end));
    return log.kafka.send(batch as [(typeof batch)[0]]);
  };
  // 3 to 5 were lost; 6 was written before anybody saw that, then the filling began, and its relay ended.
  await send(1, 2);
  await send(6, 6);
  await send(3, 4, 6);
  const { relay } = startRelay(log.url, log.bus, log.kafka);
  await log.append(1);
  await relay.published.until(PARTITION, 7);
  expect(await readAll(readTopic(log.kafka), 0, 7)).toEqual(range(1, 7));
});

test('a topic that holds more than the log is not written to, also when the log holds as much', async () => {
  const log = await givenLog();
  const other = await givenLog();
  const events = await other.append(5);
  const foreign = events.map((event) => toMessage(log.topic, TOY, event));
  await log.kafka.send(foreign as [(typeof foreign)[0]]);
  await log.append(1);
  const { relay } = startRelay(log.url, log.bus, log.kafka);
  await until(
    'the relay looked',
    async () =>
      (await readTopic(log.kafka)
        .end(0)
        .catch(() => -1)) === 0,
  );
  const nextOffset = async () => (await log.kafka.offsetsOf(log.topic, PARTITION)).next;
  expect(await nextOffset()).toBe(5);
  expect(relay.lag(PARTITION)).toBe(1);
  // The log has a sixth event by then, and a fifth of its own.
  await log.append(5);
  const later = startRelay(log.url, log.bus, log.kafka);
  await until('the later relay looked', () => later.relay.relayed.length === PARTITIONS - 1);
  await expect(later.relay.published.until(PARTITION, 6)).rejects.toMatchObject({ code: 'outcome_unknown' });
  expect(await nextOffset()).toBe(5);
});

test('what nobody relayed yet is missing, not empty', async () => {
  const log = await givenLog();
  const reader = readTopic(log.kafka);
  await expect(reader.end(PARTITION)).rejects.toBeInstanceOf(LogMissing);
  startRelay(log.url, log.bus, log.kafka);
  await untilOpened(reader);
  expect(await reader.end(PARTITION)).toBe(0);
});
