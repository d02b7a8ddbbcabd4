import { Problem } from '@stream-processing/contracts/problems.ts';
import type { TracedEvent } from './append.ts';
import type { CursorMove } from './cursors.ts';
import type { Replies, Reply } from './idempotency.ts';
import type { Decision, EventsResult, RequestOptions, RequestResult, Traced, Work } from './work.ts';

/** One caller's request, or one processor's run of events. */
export interface Unit<Command, D> {
  commands: Traced<Command>[];
  request?: RequestOptions<D>;
  cursor?: Omit<CursorMove, 'to'>;
  resolveRequest?: (result: RequestResult<D>) => void;
  resolveEvents?: (result: EventsResult) => void;
  reject: (error: unknown) => void;
}

/** How one unit fared within a batch that is not committed yet. */
export type Fate<D> =
  | { kind: 'decided'; decision: D }
  | { kind: 'replayed'; replay: Reply }
  | { kind: 'refused'; error: unknown }
  | { kind: 'events'; result: EventsResult };

/** A batch as it is decided: what to save, and what to answer once that is committed. */
export interface Batch<D> {
  fates: Fate<D>[];
  decisions: D[];
  events: TracedEvent[];
  moves: CursorMove[];
}

export function decideAll<State, Command, D extends Decision>(
  work: Work<State, Command, D>,
  state: State,
  replies: Replies,
  units: Unit<Command, D>[],
): Batch<D> {
  const batch: Batch<D> = { fates: [], decisions: [], events: [], moves: [] };

  function accept(decision: D, trace: string | null) {
    work.apply(state, decision);
    batch.decisions.push(decision);
    for (const event of decision.events ?? []) batch.events.push({ ...event, trace });
  }

  function decideRequest(unit: Unit<Command, D>): Fate<D> {
    const { command, trace } = unit.commands[0]!;
    const { idempotency, reply, decided } = unit.request!;
    const first = idempotency && replies.find(idempotency);
    if (first === 'reused') return { kind: 'refused', error: new Problem('idempotency_key_reused') };
    if (first) return { kind: 'replayed', replay: first };
    let decision: D;
    let kept: Reply | undefined;
    try {
      decision = work.decide(state, command!);
      kept = idempotency && reply?.(decision);
      decided?.(decision);
    } catch (error) {
      return { kind: 'refused', error };
    }
    if (!decision.missing) accept(decision, trace);
    if (idempotency && kept) replies.add(idempotency, kept);
    return { kind: 'decided', decision };
  }

  function decideEvents(unit: Unit<Command, D>, cursor: Omit<CursorMove, 'to'>): Fate<D> {
    const result: EventsResult = { applied: 0 };
    for (const { command, trace } of unit.commands) {
      if (command !== undefined) {
        let decision: D;
        try {
          decision = work.decide(state, command);
        } catch (error) {
          result.stopped = error as Error;
          break;
        }
        if (decision.missing) {
          result.stopped = 'missing';
          break;
        }
        accept(decision, trace);
      }
      result.applied += 1;
    }
    if (result.applied > 0) batch.moves.push({ ...cursor, to: cursor.from + result.applied });
    return { kind: 'events', result };
  }

  for (const unit of units) {
    batch.fates.push(unit.cursor ? decideEvents(unit, unit.cursor) : decideRequest(unit));
  }
  return batch;
}

export function answer<Command, D>(unit: Unit<Command, D>, fate: Fate<D>): void {
  if (fate.kind === 'events') unit.resolveEvents?.(fate.result);
  else if (fate.kind === 'refused') unit.reject(fate.error);
  else
    unit.resolveRequest?.(fate.kind === 'replayed' ? { replay: fate.replay } : { decision: fate.decision });
}

export function refusal<Command, D>(unit: Unit<Command, D>, error: unknown): Fate<D> {
  return unit.cursor
    ? { kind: 'events', result: { applied: 0, stopped: error as Error } }
    : { kind: 'refused', error };
}
