/** What an instance does for the partitions that it holds: a processor for each log that its service follows, and the relay. */
import type { ServiceName } from '@stream-processing/contracts/names.ts';
import type { Logger } from 'pino';
import type { ServiceDefinition } from './definition.ts';
import { Leases } from './leases.ts';
import type { LogReader } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Pipeline } from './pipeline.ts';
import { Processor } from './processor.ts';
import type { Progress } from './progress.ts';
import type { Relay } from './relay.ts';
import type { Decision } from './work.ts';

interface Followed<State, Command, D extends Decision> {
  url: string;
  partitions: number;
  logs: Map<ServiceName, LogReader>;
  pipeline: Pipeline<State, Command, D>;
  /** undefined: others read the log where it is. */
  relay: Relay | undefined;
  progress: Progress;
  logger: Logger;
  metrics: Metrics;
}

/**
 * For every partition that this instance holds the lease of: a processor on each log that the service follows, and the
 * relay of its own log where there is one.
 */
export function followLogs<State, Command, D extends Decision>(
  { name, inbox }: ServiceDefinition<State, Command, D>,
  { url, partitions, logs, pipeline, relay, progress, logger, metrics }: Followed<State, Command, D>,
) {
  interface Running {
    stop: AbortController;
    processors: Processor<Command>[];
    done: Promise<unknown>;
  }
  const running = new Map<number, Running>();

  function start(partition: number) {
    progress.hold(partition, true);
    const stop = new AbortController();
    const processors = [...logs].map(
      ([source, log]) =>
        new Processor<Command>({
          source,
          partition,
          log,
          toCommand: inbox,
          submit: (commands, cursor) => pipeline.submitEvents(commands, cursor),
          position: () => progress.position({ source, partition }),
          fresh: () => progress.fresh(partition, { except: source }),
          onState: (state) => metrics.stopped.set({ source, partition }, state === 'stopped' ? 1 : 0),
          onConflict: () => void leases.release(partition).catch(leaseTrouble),
          logger,
        }),
    );
    const done = Promise.all([
      ...processors.map((processor) => processor.run(stop.signal)),
      relay?.run(partition, stop.signal),
    ]);
    running.set(partition, { stop, processors, done });
  }

  async function end(partition: number) {
    const work = running.get(partition);
    running.delete(partition);
    work?.stop.abort();
    await work?.done;
    progress.hold(partition, false);
    // Whoever works on it now tells.
    for (const source of logs.keys()) metrics.stopped.remove({ source, partition });
  }

  const leaseTrouble = (error: unknown) => logger.warn({ err: error }, 'leases cannot be renewed');
  const leases = new Leases({
    url,
    service: name,
    partitions,
    onAcquired: start,
    onReleased: end,
    onError: leaseTrouble,
  });

  metrics.gauge('pipeline_queue_commands', 'Requests that wait for their transaction.', [], (set) =>
    set(pipeline.queued),
  );
  metrics.gauge('leases_held', 'Partitions that this instance works on.', [], (set) => set(leases.held));
  metrics.gauge(
    'processor_lag_events',
    'Events of the source log, as far as heard of, that this service has not applied yet, in partitions that this instance works on.',
    ['source', 'partition'],
    (set) => {
      for (const [source, log] of logs)
        for (const partition of running.keys())
          set(Math.max(0, log.seen(partition) - progress.applied(source, partition)), { source, partition });
    },
  );
  if (relay) {
    metrics.gauge(
      'relay_lag_events',
      "Events of the service's own log, as far as heard of, that are not in Kafka yet, in partitions that this instance works on.",
      ['partition'],
      (set) => {
        for (const partition of running.keys()) set(relay.lag(partition), { partition });
      },
    );
  }
  const processorOf = (source: ServiceName, partition: number) =>
    running.get(partition)?.processors.find((processor) => processor.source === source);
  const held = () => [...running.keys()];
  return { leases, processorOf, held };
}
