import { setTimeout as delay } from 'node:timers/promises';
import { markOf } from '../check.ts';
import type { Site } from '../context.ts';
import { offerOrders, PRICE } from '../load.ts';
import { checkOrders, measureOrders, ordersRow } from '../orders.ts';
import { memoryOf } from '../proc.ts';
import type { Row } from '../report.ts';
import { sampleEvery } from '../sampler.ts';
import { percentile } from '../statistics.ts';
import type { Case } from './case.ts';

const CONNECTIONS = 256;
const TIMES = 3;
const MEMORY_MS = 200;
/**
 * Seconds, and connections at most. The full run has more than the product lets wait, so that it is the one to refuse;
 * so many take their time to open, in `warmUp`, before what counts. The quick run has not the time for that.
 */
const FULL = { warmUp: 3, counted: 30, connections: 8000 };
const QUICK = { warmUp: 0, counted: 5, connections: 4000 };
const PROBES_BEFORE = 50;
/** So many orders one after the other, with this median against the one before, are normal again. */
const PROBES = 10;
const NORMAL = 2;
const RECOVERY_MS_MAX = 60_000;

/** Three times the orders that a closed loop gets through, come what may: what is accepted, refused, and kept? */
export const overload: Case = {
  name: 'overload',
  once: true,
  async run(context, round) {
    const { site: getSite, size, folder, signal } = context;
    const site = await getSite();
    const closed = await measureOrders(site, {
      connections: CONNECTIONS,
      seconds: size.seconds,
      folder,
      signal,
      round,
    });
    const closedName = `overload: closed loop before, ${CONNECTIONS} connections`;
    const normal = percentile((await probe(site, PROBES_BEFORE, signal)).latencies, 50);

    const mark = await markOf(site.sql);
    const load = size.quick ? QUICK : FULL;
    const loaded = load.warmUp + load.counted;
    const rate = Math.round((TIMES * closed.accepted) / closed.seconds);
    const memory = sampleEvery(MEMORY_MS, () => memoryOf(site.product.pid));
    const began = performance.now();
    const running = offerOrders({
      url: site.product.urls['order-service'],
      users: site.users,
      rate,
      seconds: load.counted,
      warmup: load.warmUp,
      connections: load.connections,
      signal,
    });
    const [report, recovery] = await Promise.all([
      running,
      delay(loaded * 1000, undefined, { signal }).then(() => recover(site, normal * NORMAL, signal)),
    ]).finally(() => memory.stop());
    const most = Math.max(...(await memory.stop()).flatMap(({ value }) => value ?? []));
    await checkOrders(
      site,
      mark,
      {
        accepted: report.accepted + report.warmup.accepted + recovery.accepted,
        unknown: report.errors + report.warmup.errors + recovery.unknown,
      },
      signal,
    );
    const { accepted_rate, accepted_p50_ms, accepted_p99_ms, refused, refused_p99_ms, errors, sent } = report;
    const behind = `open loop by a generator of our own, at most ${report.behind_ms_max} ms behind; ${report.pending} answered before they were final`;
    const rows: Row[] = [
      ordersRow(closedName, closed),
      {
        name: `overload: accepted of ${rate} a second`,
        value: accepted_rate,
        unit: 'orders/s',
        p50_ms: accepted_p50_ms,
        p99_ms: accepted_p99_ms,
        errors,
        against: [closedName],
        note: behind,
      },
      {
        name: 'overload: refused with 503',
        value: (refused / sent) * 100,
        unit: '%',
        p99_ms: refused_p99_ms,
      },
      {
        name: 'overload: memory',
        value: Number.isFinite(most) ? most : Number.NaN,
        unit: 'MiB resident, most',
      },
      {
        name: 'overload: normal again after',
        value: Math.max(0, recovery.normalAt - began - loaded * 1000),
        unit: 'ms',
        note: `${PROBES} orders in a row with a median of at most ${NORMAL} × ${normal.toFixed(1)} ms`,
      },
    ];
    return rows;
  },
};

/** Orders one after the other. A refused one is as slow as can be. */
async function probe({ product, users }: Site, count: number, signal: AbortSignal) {
  const latencies: number[] = [];
  let accepted = 0;
  for (let i = 0; i < count; i += 1) {
    const start = performance.now();
    const response = await fetch(`${product.urls['order-service']}/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ user_id: users.first, price: PRICE }),
      signal,
    });
    await response.arrayBuffer();
    if (response.ok) accepted += 1;
    latencies.push(response.ok ? performance.now() - start : Number.POSITIVE_INFINITY);
  }
  return { latencies, accepted };
}

/** Probes until they are normal; `normalAt`: when the first such run of them began. */
async function recover(site: Site, limitMs: number, signal: AbortSignal) {
  const deadline = performance.now() + RECOVERY_MS_MAX;
  let accepted = 0;
  let sent = 0;
  for (;;) {
    const normalAt = performance.now();
    const probed = await probe(site, PROBES, signal);
    accepted += probed.accepted;
    sent += PROBES;
    if (percentile(probed.latencies, 50) <= limitMs) return { normalAt, accepted, unknown: sent - accepted };
    if (performance.now() > deadline) throw new Error('latency is not normal again in time');
  }
}
