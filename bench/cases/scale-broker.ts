/** `--case scale-broker`: orders go on coming while one broker of three is killed and comes back. */
import { setTimeout as delay } from 'node:timers/promises';
import { SERVICES } from '@stream-processing/contracts/names.ts';
import { PRICE } from '../load.ts';
import { readMetrics } from '../metrics.ts';
import type { Row } from '../report.ts';
import { type Sample, sampleEvery } from '../sampler.ts';
import { withApart } from '../scale-site.ts';
import { post, type Users } from '../seed.ts';
import { percentile } from '../statistics.ts';
import type { Case } from './case.ts';

/** Orders a second. */
const RATE = 50;
/** So many events may wait without anything being wrong: what comes in a tenth of a second. */
const LAG_NORMAL = RATE / 10;
const LAG_MS = 200;

/** Seconds until the lag was seen above what is normal for the last time. */
function laggedFor(samples: Sample<number>[]): string {
  const last = samples.findLast(({ value }) => value > LAG_NORMAL);
  return ((last?.ms ?? 0) / 1000).toFixed(1);
}

export const scaleBroker: Case = {
  name: 'scale-broker',
  asked: true,
  async run(context) {
    const { kafka, signal } = context;
    const cluster = await kafka();
    const rows: Row[] = [];
    await withApart(context, { log: 'kafka', instances: 1 }, async ({ apart, users }) => {
      const callers = new Callers(apart.urls['order-service'], users, signal);
      const lagging = async () => {
        const metrics = await Promise.all(
          SERVICES.map((service) => readMetrics(apart.urls[service], signal)),
        );
        return metrics.reduce((sum, each) => sum + each.sum('relay_lag_events'), 0);
      };
      const span = async (what: string, work: () => Promise<void>) => {
        const lag = sampleEvery(LAG_MS, lagging);
        const { longest_ms, failed, answered, p99_ms } = await callers.during(work).finally(() => lag.stop());
        const samples = await lag.stop();
        const note = `${answered} orders answered, ${failed} failed, p99 ${p99_ms.toFixed(0)} ms`;
        rows.push({
          name: `broker: ${what}: longest pause`,
          value: longest_ms,
          unit: 'ms',
          errors: failed,
          note,
        });
        rows.push({
          name: `broker: ${what}: events that wait for Kafka`,
          value: Math.max(...samples.map(({ value }) => value)),
          unit: 'events, most',
          note: `more than ${LAG_NORMAL} last seen after ${laggedFor(samples)} s`,
        });
      };
      try {
        await span('all three up', () => delay(5000, undefined, { signal }));
        await span('one of three killed', async () => {
          await cluster.nodes[0]!.kill();
          await delay(15_000, undefined, { signal });
        });
        await span('it comes back', async () => {
          await cluster.nodes[0]!.start();
          await delay(10_000, undefined, { signal });
        });
      } finally {
        await callers.stop();
      }
    });
    return rows;
  },
};

/** Orders that come at a steady rate, whatever becomes of those before, and what their callers saw. */
class Callers {
  readonly #stop = new AbortController();
  readonly #done: Promise<unknown>;
  #ends: number[] = [];
  #latencies: number[] = [];
  #failed = 0;

  constructor(url: string, users: Users, signal: AbortSignal) {
    const call = async (user_id: number) => {
      const began = performance.now();
      try {
        const { status } = await post(`${url}/orders`, { user_id, price: PRICE }, signal);
        // Answered before it was final: its service gave up waiting.
        if (status === 'pending') throw new Error('pending');
        this.#ends.push(performance.now());
        this.#latencies.push(performance.now() - began);
      } catch {
        this.#failed += 1;
      }
    };
    const callAll = async () => {
      const calls: Promise<void>[] = [];
      const began = performance.now();
      while (!this.#stop.signal.aborted && !signal.aborted) {
        const due = (performance.now() - began) * (RATE / 1000);
        while (calls.length < due)
          calls.push(call(users.first + (calls.length % (users.last - users.first + 1))));
        await delay(1000 / RATE);
      }
      await Promise.all(calls);
    };
    this.#done = callAll();
  }

  async during(work: () => Promise<void>) {
    this.#ends = [performance.now()];
    this.#latencies = [];
    this.#failed = 0;
    await work();
    const ends = [...this.#ends, performance.now()];
    const latencies = this.#latencies.toSorted((a, b) => a - b);
    return {
      longest_ms: Math.max(...latencies, ...ends.slice(1).map((end, i) => end - ends[i]!)),
      p99_ms: latencies.length > 0 ? percentile(latencies, 99) : Number.NaN,
      answered: latencies.length,
      failed: this.#failed,
    };
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }
}
