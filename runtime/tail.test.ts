import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { LogEvent } from './log.ts';
import { Tail } from './tail.ts';

function events(partition: number, from: number, to: number): LogEvent[] {
  const common = { type: 'Added', user_id: partition, data: {}, trace: null, created_at: new Date() };
  return Array.from({ length: to - from + 1 }, (_, i) => ({ ...common, partition, position: from + i }));
}

const positions = (read: LogEvent[]) => read.map((event) => event.position);

test('gives what follows a position, at most so many, each partition by itself', () => {
  const tail = new Tail();
  tail.add([...events(1, 5, 9), ...events(2, 1, 2)]);
  expect(positions(tail.read(1, 5, 2))).toEqual([6, 7]);
  expect(positions(tail.read(1, 4, 100))).toEqual([5, 6, 7, 8, 9]);
  expect(positions(tail.read(2, 0, 100))).toEqual([1, 2]);
});

test('has nothing beyond its end, before its beginning or of a partition that it does not know', () => {
  const tail = new Tail();
  tail.add(events(1, 5, 9));
  expect(tail.read(1, 9, 10)).toEqual([]);
  expect(tail.read(1, 3, 10)).toEqual([]);
  expect(tail.read(2, 0, 10)).toEqual([]);
});

test('what another instance appended in between is no gap in it: it begins anew', () => {
  const tail = new Tail();
  tail.add(events(1, 1, 3));
  tail.add(events(1, 6, 7));
  expect(tail.read(1, 2, 10)).toEqual([]);
  expect(positions(tail.read(1, 5, 10))).toEqual([6, 7]);
});

test('whatever is added, what is read follows without a gap, and memory stays bounded', () => {
  const runs = fc.array(fc.record({ skip: fc.nat(2), count: fc.integer({ min: 1, max: 400 }) }), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(runs, fc.nat(3000), (added, after) => {
      const tail = new Tail();
      let end = 0;
      for (const { skip, count } of added) {
        tail.add(events(1, end + skip + 1, end + skip + count));
        end += skip + count;
      }
      const read = positions(tail.read(1, after, Number.POSITIVE_INFINITY));
      expect(read).toEqual(read.map((_, i) => after + 1 + i));
      expect(read.length).toBeLessThan(1024);
      if (added.length > 0) expect(positions(tail.read(1, end - 1, 1))).toEqual([end]);
    }),
  );
});
