/** What every adapter of the log port must do; each adapter's test file runs this suite on a real one. */
import type { LogReader } from '@stream-processing/runtime/log.ts';
import { expect, test } from 'vitest';
import { PARTITIONS } from './toy.ts';

export interface LogUnderTest {
  reader: LogReader;
  /** Publishes so many events in one commit, all in this partition; `told`: consumers of this process hear of it. */
  publish(partition: number, count: number, told?: boolean): Promise<void>;
}

export function logPortSuite(create: () => Promise<LogUnderTest>) {
  test('reads events in order from a position on, at most so many', async () => {
    const { reader, publish } = await create();
    await publish(1, 5);
    const events = await reader.read(1, 2, 2);
    expect(events.map((event) => event.position)).toEqual([3, 4]);
    expect(events[0]).toMatchObject({ partition: 1, type: 'Added', user_id: 1, data: { value: 3 } });
    expect(events[0]!.created_at).toBeInstanceOf(Date);
    expect(await reader.read(1, 5, 10)).toEqual([]);
  });

  test('keeps partitions apart, also when many are read at once', async () => {
    const { reader, publish } = await create();
    await publish(0, 1);
    await publish(2, 3);
    const read = await Promise.all([0, 1, 2, 3].map((partition) => reader.read(partition, 0, 10)));
    expect(read.map((events) => events.map((event) => event.position))).toEqual([[1], [], [1, 2, 3], []]);
  });

  test('says how many partitions there are', async () => {
    const { reader } = await create();
    expect(await reader.partitions()).toBe(PARTITIONS);
  });

  test('the end is the newest position, never older than the question', async () => {
    const { reader, publish } = await create();
    expect(await reader.end(3)).toBe(0);
    for (let count = 1; count <= 20; count += 1) {
      await publish(3, 1, false);
      expect(await reader.end(3)).toBe(count);
    }
    expect(await Promise.all([reader.end(3), reader.end(2), reader.end(3)])).toEqual([20, 0, 20]);
  });

  test('a waiting consumer is woken by news, told or not, of its own partition', async () => {
    const { reader, publish } = await create();
    const never = new AbortController();
    for (const told of [true, false]) {
      const before = await reader.end(1);
      let woken = 0;
      const other = reader.wait(2, 0, never.signal).then(() => {
        woken += 1;
      });
      const mine = reader.wait(1, before, never.signal);
      await publish(1, 2, told);
      await mine;
      expect(reader.seen(1)).toBeGreaterThan(before);
      expect(await reader.read(1, before, 10)).toHaveLength(2);
      expect(woken).toBe(0);
      void other;
    }
  });

  test('news that is there already does not make a consumer wait', async () => {
    const { reader, publish } = await create();
    const never = new AbortController();
    await publish(1, 1);
    await reader.wait(1, 0, never.signal);
    reader.hint(2, 7);
    await reader.wait(2, 6, never.signal);
    expect(reader.seen(2)).toBe(7);
  });

  test('waiting ends on abort', async () => {
    const { reader } = await create();
    const abort = new AbortController();
    const waiting = reader.wait(1, 0, abort.signal);
    abort.abort();
    await waiting;
    expect(reader.seen(1)).toBe(0);
  });
}
