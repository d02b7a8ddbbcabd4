/**
 * The event log as services see it. A log is what one service publishes: `partitions` lists of events, each with
 * dense positions 1, 2, 3 …; `partition = user_id mod partitions`, the same in every log.
 */

/** An event on its way into the log of the service that decided it. */
export interface NewEvent {
  type: string;
  user_id: number;
  data: object;
}

export interface LogEvent extends NewEvent {
  partition: number;
  position: number;
  /** `traceparent` of the request that caused it. */
  trace: string | null;
  created_at: Date;
}

/** The port through which a consumer follows one other service's log. Adapters pass test/log-port.ts. */
export interface LogReader {
  /**
   * At most `max` events with positions above `after`, in order; empty at the end of the log. Rejects with LogTruncated when
   * the next ones were removed.
   */
  read(partition: number, after: number, max: number): Promise<LogEvent[]>;
  /** How many there are. Rejects with LogMissing while that cannot be told. */
  partitions(): Promise<number>;
  /** Position of the newest event, 0 when there is none. Never older than the moment of the call. */
  end(partition: number): Promise<number>;
  /** Resolves when the log is known to hold events above `after`, or on abort. A lost wake-up costs one poll interval. */
  wait(partition: number, after: number, signal: AbortSignal): Promise<void>;
  /** Nobody here follows the partition any more. */
  leave(partition: number): void;
  /** The newest position heard of so far, without asking. */
  seen(partition: number): number;
  /** Tells whoever publishes the log how far this service has applied it: what everybody has passed may be removed. */
  tellPassed(passed: Passed[]): Promise<void>;
  /** Makes `wait` resolve: somebody learned in another way that the log reaches `position`. */
  hint(partition: number, position: number): void;
  close(): Promise<void>;
}

/** Up to this position everything of the partition is durably applied. */
export interface Passed {
  partition: number;
  position: number;
}

/** What comes next was removed, being old: it does not come again (docs/retention.md). */
export class LogTruncated extends Error {
  /** The oldest position that is kept. */
  readonly oldest: number;

  constructor(log: string, partition: number, wanted: number, oldest: number) {
    super(
      `position ${wanted} of partition ${partition} of ${log} was removed: it is kept from ${oldest} on (docs/retention.md)`,
    );
    this.oldest = oldest;
  }
}

/** There is nothing to read from yet: the service that publishes the log has never started, or its topic is to be filled again. */
export class LogMissing extends Error {}

/** What carries the log does not answer for now; that passes by itself. */
export class LogUnavailable extends Error {}

export function partitionOf(user_id: number, partitions: number): number {
  return user_id % partitions;
}
