import { readMetrics } from '../metrics.ts';
import { measureOrders, ordersRow } from '../orders.ts';
import { memoryOf } from '../proc.ts';
import type { Row } from '../report.ts';
import { type Sample, sampleEvery } from '../sampler.ts';
import type { Case } from './case.ts';

const CONNECTIONS = 256;
const SECONDS = 120;
const SLICE_MS = 10_000;
const MEMORY_MS = 1000;

/** Two minutes at a stretch: does it stay as fast, and does it stop growing? */
export const level: Case = {
  name: 'level',
  once: true,
  fullOnly: true,
  async run({ site: getSite, folder, signal }, round) {
    const site = await getSite();
    const { pid, urls } = site.product;
    const answered = sampleEvery(SLICE_MS, async () => {
      const metrics = await readMetrics(urls['order-service'], signal);
      return metrics.sum('http_request_duration_seconds_count', {
        route: '/orders',
        method: 'POST',
        status: '201',
      });
    });
    const memory = sampleEvery(MEMORY_MS, () => memoryOf(pid));
    try {
      const options = { connections: CONNECTIONS, seconds: SECONDS, folder, signal, round };
      const load = await measureOrders(site, options);
      const rates = ratesOf(await answered.stop());
      return [
        ordersRow(`level: two minutes, ${CONNECTIONS} connections`, load),
        ...levelRows(rates),
        ...memoryRows(await memory.stop()),
      ];
    } finally {
      // Stopped twice at worst; nothing may go on after a failure.
      await Promise.allSettled([answered.stop(), memory.stop()]);
    }
  },
};

/** Per second, in each full slice. */
function ratesOf(samples: Sample<number>[]): number[] {
  return samples.slice(1).flatMap(({ ms, value }, i) => {
    const before = samples[i]!;
    return ms - before.ms < SLICE_MS * 0.9 ? [] : ((value - before.value) / (ms - before.ms)) * 1000;
  });
}

function levelRows(rates: number[]): Row[] {
  const first = 'level: first 10 s';
  return [
    { name: first, value: rates[0]!, unit: 'orders/s' },
    { name: 'level: last 10 s', value: rates.at(-1)!, unit: 'orders/s', against: [first] },
    { name: 'level: slowest 10 s', value: Math.min(...rates), unit: 'orders/s', against: [first] },
  ];
}

function memoryRows(samples: Sample<number | undefined>[]): Row[] {
  const unit = 'MiB resident';
  const most = (from: number, to: number) =>
    Math.max(
      ...samples.flatMap(({ ms, value }) => (ms >= from && ms < to && value !== undefined ? value : [])),
    );
  const first = 'memory: most in the first minute';
  const values = [most(0, 60_000), most(60_000, SECONDS * 1000)];
  if (!values.every(Number.isFinite)) {
    return [{ name: 'memory', value: Number.NaN, unit, note: 'not available here' }];
  }
  return [
    { name: first, value: values[0]!, unit },
    { name: 'memory: most in the last minute', value: values[1]!, unit, against: [first] },
  ];
}
