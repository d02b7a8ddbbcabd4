import { expect, onTestFinished, test } from 'vitest';
import { createToy, TOY, TOY_SOURCE } from '../test/toy.ts';
import { until } from '../test/until.ts';
import { type Announcement, Announcer, Bus } from './announcements.ts';
import type { Sql } from './sql.ts';

/** Two processes: one announces, the other hears. */
async function given() {
  const { url, sql, bus: speaker } = await createToy();
  let sent = 0;
  const counting = ((...args: Parameters<Sql>) => {
    sent += 1;
    return sql(...args);
  }) as unknown as Sql;
  speaker.join(TOY, url);
  const ears = new Bus();
  onTestFinished(() => ears.close());
  ears.join(TOY, url);
  const heard: Announcement[] = [];
  ears.on(TOY, (news) => void heard.push(...news));
  const announcer = new Announcer(TOY, counting, speaker);
  onTestFinished(() => announcer.close());
  /** Resolves when these partitions of the log are heard. */
  const hear = async (...partitions: number[]) => {
    const begun = partitions.map((partition) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      ears.hear(TOY, 'log', partition, resolve);
      return promise;
    });
    await Promise.all(begun);
  };
  return { announcer, speaker, heard, hear, sent: () => sent };
}

const log = (partition: number, position: number): Announcement => ({ of: 'log', partition, position });

test('another process hears what it waits for, and nothing else', async () => {
  const { announcer, heard, hear } = await given();
  await hear(1, 3);
  announcer.tell([log(1, 7), log(2, 7), { of: TOY_SOURCE, partition: 1, position: 9 }]);
  announcer.tell([log(1, 8)]);
  announcer.tell([log(3, 1)]);
  await until('it hears the last one', () => heard.some(({ partition }) => partition === 3));
  // What comes while one transaction is under way becomes one.
  expect(heard).toEqual([log(1, 8), log(3, 1)]);
});

test('what nobody elsewhere waits for is not sent', async () => {
  const { announcer, speaker, heard, hear, sent } = await given();
  await hear(1);
  await until('nobody waits for cursors', () => !speaker.isAwaited(TOY, TOY_SOURCE));
  announcer.keepHere(({ partition }) => partition === 0);
  announcer.tell([{ of: TOY_SOURCE, partition: 1, position: 9 }, log(0, 4)]);
  await announcer.close();
  expect(sent()).toBe(0);
  announcer.tell([log(1, 2)]);
  await until('what it waits for is heard', () => heard.length === 1);
  expect(heard).toEqual([log(1, 2)]);
});
