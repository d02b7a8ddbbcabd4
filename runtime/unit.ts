import type { CursorMove } from './cursors.ts';
import type { Reply } from './idempotency.ts';
import type { EventsResult, RequestOptions, RequestResult, Traced } from './work.ts';

/** One caller's request, or one processor's run of events. */
export interface Unit<Command, D> {
  commands: Traced<Command>[];
  request?: RequestOptions<D>;
  cursor?: Omit<CursorMove, 'to'>;
  /** As soon as the events are decided, before the commit, perhaps several times. */
  decidedEvents?: (result: EventsResult) => void;
  resolveRequest?: (result: RequestResult<D>) => void;
  resolveEvents?: (result: EventsResult) => void;
  reject?: (error: unknown) => void;
}

/** How one unit fared within a transaction that is not committed yet. */
export type Fate<D> =
  | { kind: 'decided'; decision: D }
  | { kind: 'replayed'; replay: Reply }
  | { kind: 'refused'; error: unknown }
  | { kind: 'events'; result: EventsResult };

export function answer<Command, D>(unit: Unit<Command, D>, fate: Fate<D>): void {
  if (fate.kind === 'events') unit.resolveEvents?.(fate.result);
  else if (fate.kind === 'refused') unit.reject?.(fate.error);
  else
    unit.resolveRequest?.(fate.kind === 'replayed' ? { replay: fate.replay } : { decision: fate.decision });
}

export function refuse<Command, D>(unit: Unit<Command, D>, error: unknown): void {
  answer(
    unit,
    unit.cursor
      ? { kind: 'events', result: { applied: 0, stopped: error as Error } }
      : { kind: 'refused', error },
  );
}
