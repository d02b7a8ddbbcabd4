import { Announcer, Bus } from '@stream-processing/runtime/announcements.ts';
import { append } from '@stream-processing/runtime/append.ts';
import { Outbox } from '@stream-processing/runtime/outbox.ts';
import { describe } from 'vitest';
import { logPortSuite } from '../test/log-port.ts';
import { createToy, PARTITIONS, TOY } from '../test/toy.ts';
import { connectKafka, givenKafka, readTopic, startRelay, untilOpened } from './given.ts';

describe('the log port on Kafka, relay told of news', () => {
  logPortSuite(() => createLog('here'));
});

describe('the log port on Kafka, producer in another process', () => {
  logPortSuite(() => createLog('elsewhere'));
});

async function createLog(where: 'here' | 'elsewhere') {
  const { url, sql, bus } = await createToy();
  const kafka = connectKafka(givenKafka());
  await kafka.createTopic(TOY, PARTITIONS);
  const { relay } = startRelay(url, bus, kafka);
  const announcer = new Announcer(TOY, sql, where === 'here' ? bus : new Bus());
  let value = 0;
  const reader = readTopic(kafka);
  await untilOpened(reader);
  return {
    reader,
    async publish(partition: number, count: number, told = true) {
      const outbox = new Outbox(PARTITIONS);
      for (let i = 0; i < count; i += 1)
        outbox.add({ type: 'Added', user_id: partition, data: { value: ++value } }, null);
      const events = await sql.begin((tx) => append(tx, outbox, new Date()));
      if (told) announcer.announce({ events, moves: [] });
      await relay.published.until(partition, events.at(-1)!.position);
    },
  };
}
