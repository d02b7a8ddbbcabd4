import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

const LATENCIES = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const SIZES = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500];

/**
 * How often the event loop's lag is looked at; what is told includes this interval. Each look wakes the process: at the library's 10 ms
 * that was four fifths of what an idle service costs (4 of 5 ms of CPU a second).
 */
const LAG_EVERY_MS = 100;

/** One service's Prometheus metrics; several services of one process keep theirs apart. */
export function createMetrics(service: string) {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LAG_EVERY_MS });
  const registers = [registry];
  return {
    registry,
    requests: new Histogram({
      name: 'http_request_duration_seconds',
      help: 'Requests answered, by route, method and status; _count is their number.',
      labelNames: ['route', 'method', 'status'],
      buckets: LATENCIES,
      registers,
    }),
    /** Not among `requests`. */
    refusals: new Counter({
      name: 'http_requests_refused_total',
      help: 'Requests refused with `overloaded` before they were looked at.',
      registers,
    }),
    batchSize: new Histogram({
      name: 'pipeline_batch_commands',
      help: 'Commands that shared one transaction.',
      buckets: SIZES,
      registers,
    }),
    batchSeconds: new Histogram({
      name: 'pipeline_transaction_seconds',
      help: 'Time from begin to the durable commit.',
      buckets: LATENCIES,
      registers,
    }),
    stopped: new Gauge({
      name: 'processor_stopped',
      help: '1: this partition of the source log stands still after an error.',
      labelNames: ['source', 'partition'],
      registers,
    }),
    removedEvents: new Counter({
      name: 'log_removed_events_total',
      help: 'Events of the own log that were removed, being old and passed by every follower.',
      registers,
    }),
    /** A gauge that is asked when somebody looks. */
    gauge<L extends string>(
      name: string,
      help: string,
      labelNames: L[],
      collect: (set: SetGauge<L>) => void,
    ) {
      const gauge: Gauge<L> = new Gauge({
        name,
        help,
        labelNames,
        registers,
        collect() {
          // What has no value any more is not told.
          gauge.reset();
          collect((value, labels) => gauge.set(labels ?? ({} as Record<L, string>), value));
        },
      });
    },
  };
}

type SetGauge<L extends string> = (value: number, labels?: Record<L, string | number>) => void;

export type Metrics = ReturnType<typeof createMetrics>;
