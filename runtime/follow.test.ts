import pino from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { createToy, PARTITIONS, TOY, TOY_SOURCE, toyPipeline, toyWork } from '../test/toy.ts';
import { until } from '../test/until.ts';
import type { ServiceDefinition } from './definition.ts';
import { followLogs } from './follow.ts';
import type { LogEvent, LogReader } from './log.ts';
import { createMetrics } from './metrics.ts';
import { PositionWaits } from './position-waits.ts';
import { Progress } from './progress.ts';

const EVENT: LogEvent = {
  partition: 1,
  position: 1,
  type: 'Unheard',
  user_id: 1,
  data: {},
  trace: null,
  created_at: new Date(),
};

/** An instance of the toy to whose partition 1 comes an event that it cannot read. */
async function following() {
  const { url, sql, bus } = await createToy();
  const waits = new PositionWaits();
  const log: LogReader = {
    partitions: async () => PARTITIONS,
    read: async (partition) => (partition === EVENT.partition ? [EVENT] : []),
    end: async (partition) => (partition === EVENT.partition ? 1 : 0),
    wait: (partition, after, signal) => waits.until(partition, after + 1, signal),
    leave() {},
    seen: () => 0,
    hint() {},
    tellPassed: async () => {},
    close: async () => {},
  };
  const logs = new Map([[TOY_SOURCE, log]] as const);
  const definition = {
    name: TOY,
    inbox() {
      throw new Error('unheard of');
    },
    work: () => toyWork,
  } as unknown as ServiceDefinition<never, never, never>;
  const metrics = createMetrics(TOY);
  const progress = new Progress(TOY, sql, bus, logs);
  const { pipeline } = toyPipeline(sql);
  const { leases } = followLogs(definition, {
    url,
    partitions: PARTITIONS,
    logs,
    pipeline: pipeline as never,
    relay: undefined,
    progress,
    logger: pino({ level: 'silent' }),
    metrics,
  });
  onTestFinished(async () => {
    await leases.close();
    await progress.close();
  });
  const told = async () => {
    const text = await metrics.registry.metrics();
    return [...text.matchAll(/^processor_stopped\{(.*)\} (\d)$/gm)].map(([, labels, value]) => ({
      partition: /partition="(\d)"/.exec(labels!)![1],
      value,
    }));
  };
  return { leases, told };
}

test('what an instance tells of a partition that stands still, it tells no more when others work on it', async () => {
  const { leases, told } = await following();
  await leases.start();
  await until('the partition stands still', async () => (await told()).some(({ value }) => value === '1'));
  expect(await told()).toEqual([{ partition: '1', value: '1' }]);
  await leases.release(1);
  expect(await told()).toEqual([]);
});
