import { expect, onTestFinished, test } from 'vitest';
import { connectFor, createToy, PARTITIONS, TOY, TOY_SOURCE } from '../test/toy.ts';
import { append } from './append.ts';
import { moveCursors } from './cursors.ts';
import type { LogReader } from './log.ts';
import { postgresLog } from './log-postgres.ts';
import { Outbox } from './outbox.ts';
import { Progress } from './progress.ts';

/** A service that follows its own log: one database serves as source and consumer. */
async function following(change: (log: LogReader) => LogReader = (log) => log) {
  const { url, sql, bus } = await createToy();
  const log = change(
    postgresLog({ sql: connectFor(url), service: TOY, follower: 'order-service', bus, pollMs: 20 }),
  );
  const progress = new Progress(TOY, sql, bus, new Map([[TOY_SOURCE, log]]));
  onTestFinished(async () => {
    await progress.close();
    await log.close();
  });
  const publish = () => {
    const outbox = new Outbox(PARTITIONS);
    outbox.add({ type: 'Added', user_id: 1, data: {} }, null);
    return sql.begin((tx) => append(tx, outbox, new Date()));
  };
  /** Another process applies the events: only the database tells. */
  const applyElsewhere = (from: number, to: number) =>
    connectFor(url).begin(async (tx) => moveCursors(tx, [{ source: TOY_SOURCE, partition: 1, from, to }]));
  const applyHere = async (from: number, to: number) => {
    await applyElsewhere(from, to);
    bus.emit(TOY, [{ of: TOY_SOURCE, partition: 1, position: to }], 'here');
  };
  const tellElsewhere = (partition: number, position: number) =>
    bus.emit(TOY, [{ of: TOY_SOURCE, partition, position }], 'elsewhere');
  return { progress, publish, applyHere, applyElsewhere, tellElsewhere, bus, url };
}

test('with nothing to apply a read is fresh at once', async () => {
  const { progress } = await following();
  await progress.fresh(1);
  expect(progress.applied(TOY_SOURCE, 1)).toBe(0);
});

test.each(['applyHere', 'applyElsewhere'] as const)(
  'a read waits until what it came after is applied: %s',
  async (apply) => {
    const { progress, publish, ...more } = await following();
    await publish();
    await publish();
    let isFresh = false;
    const reading = progress.fresh(1).then(() => {
      isFresh = true;
    });
    await more[apply](0, 1);
    await progress.refresh();
    expect(isFresh).toBe(false);
    await more[apply](1, 2);
    await reading;
    expect(progress.applied(TOY_SOURCE, 1)).toBe(2);
  },
);

test('what is published after the read came does not make it wait', async () => {
  const { progress, publish, applyHere } = await following();
  await publish();
  const reading = progress.fresh(1);
  await applyHere(0, 1);
  await reading;
  await publish();
  expect(progress.applied(TOY_SOURCE, 1)).toBe(1);
});

test('when it cannot be had in time the read is refused as not fresh, and the log is hinted at its end', async () => {
  const hints: number[] = [];
  const { progress, publish } = await following((log) => ({
    ...log,
    hint(partition, position) {
      hints.push(position);
      log.hint(partition, position);
    },
  }));
  await publish();
  await expect(progress.fresh(1)).rejects.toMatchObject({ code: 'not_fresh', status: 503, retry_after: 1 });
  expect(hints).toContain(1);
  await progress.fresh(0);
});

test('a log that does not answer in time is refused as not fresh', async () => {
  const { progress } = await following((log) => ({ ...log, end: () => new Promise(() => {}) }));
  await expect(progress.fresh(1)).rejects.toMatchObject({ code: 'not_fresh' });
});

test('whoever watches a partition looks at what other instances tell of it, until he lets go', async () => {
  const { progress, tellElsewhere } = await following();
  let looks = 0;
  const unwatch = progress.watch(1, () => {
    looks += 1;
  });
  const unwatchOther = progress.watch(2, () => {});
  tellElsewhere(2, 1);
  expect(looks).toBe(0);
  tellElsewhere(1, 1);
  expect(looks).toBe(1);
  unwatch();
  tellElsewhere(1, 2);
  expect(looks).toBe(1);
  unwatchOther();
});

test('an instance hears others of a partition that somebody watches, from when it hands it over', async () => {
  const { progress, bus, url, tellElsewhere } = await following();
  bus.join(TOY, url);
  const heard: number[] = [];
  const { hear } = bus;
  bus.hear = (service, of, partition, onHeard) => {
    heard.push(partition);
    return hear.call(bus, service, of, partition, onHeard);
  };
  progress.hold(1, true);
  const { promise: looked, resolve } = Promise.withResolvers<void>();
  const unwatch = progress.watch(1, resolve);
  expect(heard).toEqual([]);
  progress.hold(1, false);
  expect(heard).toEqual([1]);
  tellElsewhere(1, 1);
  await looked;
  expect(progress.applied(TOY_SOURCE, 1)).toBe(1);
  unwatch();
});

test('whoever asks for a cursor as it stands, as one does who takes a partition over, knows what others applied', async () => {
  const { progress, publish, applyElsewhere } = await following();
  await publish();
  await applyElsewhere(0, 1);
  expect(progress.applied(TOY_SOURCE, 1)).toBe(0);
  expect(await progress.position({ source: TOY_SOURCE, partition: 1 })).toBe(1);
  expect(progress.applied(TOY_SOURCE, 1)).toBe(1);
});
