import { setTimeout as delay } from 'node:timers/promises';
import type { ServiceName } from '@stream-processing/contracts/names.ts';
import { PROBLEMS, Problem } from '@stream-processing/contracts/problems.ts';
import type { Logger } from 'pino';
import type { CursorMove } from './cursors.ts';
import { type LogEvent, LogMissing, type LogReader, LogUnavailable } from './log.ts';
import { isConnectionLoss, isUnfit } from './sql-errors.ts';
import { traceId } from './trace.ts';
import type { EventsResult, Traced } from './work.ts';

/** What a processor is doing; `stopped` means that this partition stands still until somebody looks. */
type ProcessorState = 'running' | 'stopped';

export interface ProcessorOptions<Command> {
  source: ServiceName;
  partition: number;
  log: LogReader;
  /** An event as this service's command; undefined for one that means nothing to it. Throws on a malformed event. */
  toCommand: (event: LogEvent, now: Date) => Command | undefined;
  submit: (commands: Traced<Command>[], cursor: Omit<CursorMove, 'to'>) => Promise<EventsResult>;
  /** The cursor as it stands in the database. */
  position: () => Promise<number>;
  /** Resolves when all that other logs held for this partition is applied. */
  fresh: () => Promise<void>;
  onState: (state: ProcessorState) => void;
  /** Somebody else moves this cursor: let go of the partition. */
  onConflict: () => void;
  logger: Logger;
  /** Events of one submission. */
  batchMax?: number;
}

const BATCH_MAX = 256;
const RETRY_MS_MAX = 5000;
const MISSING_MS = 100;

/**
 * Follows one partition of another service's log: read from the cursor, turn events into commands, submit them
 * together with the new cursor. A position at or below the cursor is a duplicate and dropped; a gap stops the
 * partition, loudly, and so does an event that cannot be applied: nothing is ever skipped.
 *
 * While it rests at the end of the log, a chain may take it on: apply the next events for it in the transaction that
 * publishes them (chain.ts).
 */
export class Processor<Command> {
  readonly #options: ProcessorOptions<Command>;
  /** The cursor; undefined: it has to be asked for. */
  #position: number | undefined;
  #submitting = false;
  #failures = 0;

  constructor(options: ProcessorOptions<Command>) {
    this.#options = options;
  }

  get source(): ServiceName {
    return this.#options.source;
  }

  get partition(): number {
    return this.#options.partition;
  }

  toCommand(event: LogEvent, now: Date): Command | undefined {
    return this.#options.toCommand(event, now);
  }

  /** Its cursor, while it has nothing to do; undefined while it works, stands still or has heard of more. */
  get restsAt(): number | undefined {
    const position = this.#position;
    if (position === undefined || this.#submitting || this.#failures > 0) return undefined;
    return this.#options.log.seen(this.partition) <= position ? position : undefined;
  }

  /** These events, which follow on `restsAt`, were applied for it. */
  advance(events: LogEvent[]): void {
    const last = events.at(-1);
    if (!last) return;
    this.#position = last.position;
    logApplied(this.#options, events);
  }

  /** Until the signal aborts or somebody else works on the partition. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#follow(signal);
    this.#options.log.leave(this.partition);
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { source, partition, logger, onState, onConflict, position } = this.#options;
    while (!signal.aborted) {
      try {
        this.#position ??= await position();
        await this.#step(signal);
        this.#goesOn();
      } catch (error) {
        if (signal.aborted) return;
        const cursor = this.#position;
        if (error instanceof Conflict) {
          logger.warn({ source, partition, cursor }, 'another instance works on this partition, letting go');
          this.#position = undefined;
          return onConflict();
        }
        if (error instanceof LogMissing) {
          await delay(MISSING_MS, undefined, { signal, ref: false }).catch(() => {});
          continue;
        }
        if (await this.#isPassed()) {
          logger.warn({ source, partition, cursor }, 'another instance worked on this partition, letting go');
          this.#position = undefined;
          return onConflict();
        }
        if (passesByItself(error)) {
          logger.warn({ err: error, source, partition, cursor }, 'partition interrupted');
        } else {
          onState('stopped');
          logger.error({ err: error, source, partition, cursor }, 'partition stopped');
        }
        this.#position = undefined;
        await delay(Math.min(RETRY_MS_MAX, 100 * 2 ** this.#failures++), undefined, {
          signal,
          ref: false,
        }).catch(() => {});
      }
    }
  }

  /** Has somebody else moved the cursor? Then what failed here was done there, and failed for that. */
  async #isPassed(): Promise<boolean> {
    const cursor = await this.#options.position().catch(() => undefined);
    return this.#position !== undefined && cursor !== undefined && cursor !== this.#position;
  }

  /** One submission, or a wait for something to submit. */
  async #step(signal: AbortSignal): Promise<void> {
    const { partition, log, batchMax = BATCH_MAX } = this.#options;
    const from = this.#position!;
    // With nothing heard of the log yet, reading it also tells what is wrong with it; a wait would not.
    const seen = log.seen(partition);
    if (seen > 0 && seen <= from) return this.#rest(from, signal);
    const events = inOrder(await log.read(partition, from, batchMax), from);
    if (events.length === 0) return this.#rest(from, signal);
    // Taken on meanwhile: what was read is applied.
    if (signal.aborted || this.#position !== from) return;
    this.#submitting = true;
    try {
      const applied = await this.#apply(events, from);
      this.advance(events.slice(0, applied));
    } catch (error) {
      // A chain applied them, whose commit was not known to be one before.
      if (this.#position === from) throw error;
    } finally {
      this.#submitting = false;
    }
  }

  async #rest(position: number, signal: AbortSignal): Promise<void> {
    // There may be nothing new for long: what was wrong is not any more.
    this.#goesOn();
    await this.#options.log.wait(this.partition, position, signal);
  }

  #goesOn(): void {
    if (this.#failures > 0) this.#options.onState('running');
    this.#failures = 0;
  }

  /** Answers how many events were applied, from the first one on; at least one. */
  async #apply(events: LogEvent[], position: number): Promise<number> {
    const { source, partition, submit, fresh } = this.#options;
    const from = { source, partition, from: position };
    const commands: Traced<Command>[] = [];
    const now = new Date();
    let malformed: unknown;
    for (const event of events) {
      try {
        commands.push({ command: this.toCommand(event, now), trace: event.trace });
      } catch (error) {
        malformed = error;
        break;
      }
    }
    if (commands.length === 0) throw malformed;
    let result = await submit(commands, from);
    const missing = result.stopped === 'missing' && result.applied === 0;
    if (missing) {
      // The first event speaks of a user whom another log announces: apply that log first, then this event must do.
      await fresh();
      result = await submit(commands, from);
    }
    if (result.stopped === 'conflict') throw new Conflict();
    if (result.applied > 0) return result.applied;
    if (result.stopped instanceof Error) throw result.stopped;
    throw new Error('the event speaks of a user whom no log announces');
  }
}

/** A database or a broker that is away for a while needs nobody's help. */
function passesByItself(error: unknown): boolean {
  // No room on a disk needs somebody.
  if (isUnfit(error)) return false;
  if (isConnectionLoss(error) || error instanceof LogUnavailable) return true;
  return error instanceof Problem && PROBLEMS[error.code].retry;
}

function logApplied<Command>({ logger, source }: ProcessorOptions<Command>, events: LogEvent[]): void {
  if (!logger.isLevelEnabled('debug')) return;
  for (const { partition, position, type, trace, user_id } of events) {
    logger.debug(
      { request_id: trace ? traceId(trace) : undefined, source, partition, position, type, user_id },
      'event applied',
    );
  }
}

/** Drops duplicates; throws on a gap. */
function inOrder(events: LogEvent[], cursor: number): LogEvent[] {
  let expected = cursor + 1;
  return events.filter((event) => {
    if (event.position < expected) return false;
    if (event.position > expected) {
      throw new Error(`gap in the log: position ${expected} is missing, ${event.position} came`);
    }
    expected += 1;
    return true;
  });
}

class Conflict extends Error {}
