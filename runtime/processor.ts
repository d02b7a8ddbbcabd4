import { setTimeout as delay } from 'node:timers/promises';
import type { ServiceName } from '@stream-processing/contracts/names.ts';
import { PROBLEMS, Problem } from '@stream-processing/contracts/problems.ts';
import type { Logger } from 'pino';
import type { CursorMove } from './cursors.ts';
import { type LogEvent, LogMissing, type LogReader } from './log.ts';
import { isConnectionLoss } from './sql-errors.ts';
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
 */
export async function processPartition<Command>(
  options: ProcessorOptions<Command>,
  signal: AbortSignal,
): Promise<void> {
  const { source, partition, logger, onState } = options;
  let failures = 0;
  let cursor: number | undefined;
  while (!signal.aborted) {
    try {
      cursor ??= await options.position();
      cursor += await step(options, cursor, signal);
      if (failures > 0) onState('running');
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Conflict) {
        logger.warn({ source, partition, cursor }, 'another instance works on this partition, letting go');
        return options.onConflict();
      }
      if (error instanceof LogMissing) {
        await delay(MISSING_MS, undefined, { signal, ref: false }).catch(() => {});
        continue;
      }
      if (passesByItself(error)) {
        logger.warn({ err: error, source, partition, cursor }, 'partition interrupted');
      } else {
        onState('stopped');
        logger.error({ err: error, source, partition, cursor }, 'partition stopped');
      }
      cursor = undefined;
      await delay(Math.min(RETRY_MS_MAX, 100 * 2 ** failures++), undefined, { signal, ref: false }).catch(
        () => {},
      );
    }
  }
}

/** A database that is away for a while needs nobody's help. */
function passesByItself(error: unknown): boolean {
  return isConnectionLoss(error) || (error instanceof Problem && PROBLEMS[error.code].retry);
}

/** One submission; answers how many events were applied. */
async function step<Command>(
  options: ProcessorOptions<Command>,
  cursor: number,
  signal: AbortSignal,
): Promise<number> {
  const { source, partition, log, toCommand, submit, batchMax = BATCH_MAX } = options;
  // With nothing heard of the log yet, reading it also tells what is wrong with it; a wait would not.
  const seen = log.seen(partition);
  if (seen > 0 && seen <= cursor) await log.wait(partition, cursor, signal);
  if (signal.aborted) return 0;
  const events = inOrder(await log.read(partition, cursor, batchMax), cursor);
  if (events.length === 0) {
    await log.wait(partition, cursor, signal);
    return 0;
  }
  const commands: Traced<Command>[] = [];
  const now = new Date();
  let malformed: unknown;
  for (const event of events) {
    try {
      commands.push({ command: toCommand(event, now), trace: event.trace });
    } catch (error) {
      malformed = error;
      break;
    }
  }
  if (commands.length === 0) throw malformed;
  const from = { source, partition, from: cursor };
  const result = await submit(commands, from);
  logApplied(options, events.slice(0, result.applied));
  if (result.stopped === 'conflict') throw new Conflict();
  if (result.stopped === 'missing' && result.applied === 0)
    return waitForMissing(options, events, commands, from);
  if (result.stopped instanceof Error && result.applied === 0) throw result.stopped;
  return result.applied;
}

/** The first event speaks of a user whom another log announces: apply that log first, then this event must do. */
async function waitForMissing<Command>(
  options: ProcessorOptions<Command>,
  events: LogEvent[],
  commands: Traced<Command>[],
  from: Omit<CursorMove, 'to'>,
): Promise<number> {
  await options.fresh();
  const result = await options.submit(commands, from);
  logApplied(options, events.slice(0, result.applied));
  if (result.applied > 0) return result.applied;
  if (result.stopped === 'conflict') throw new Conflict();
  throw result.stopped instanceof Error
    ? result.stopped
    : new Error('the event speaks of a user whom no log announces');
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
