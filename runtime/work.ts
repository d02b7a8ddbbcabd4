/** What passes between a service and its pipeline: commands in, decisions out, state between. */
import type { Idempotency, Reply } from './idempotency.ts';
import type { NewEvent } from './log.ts';
import type { Tx } from './sql.ts';

export interface Decision {
  /** Nothing is changed: state is missing that another service's log may yet bring. */
  missing?: true;
  events?: NewEvent[];
}

/** What a service gives the pipeline: its rules (decide, apply: pure) and its tables (load, save). */
export interface Work<State, Command, D extends Decision> {
  /** Nothing loaded yet. */
  empty(): State;
  /**
   * Reads and locks, in key order, all that the commands concern and the state does not hold yet: what it holds may have
   * been decided upon already.
   */
  load(tx: Tx, state: State, commands: Command[]): Promise<void>;
  /**
   * Optional: loads already what events about these users will probably need, so that a chain need not ask for it when
   * they come.
   */
  prefetch?(tx: Tx, state: State, user_ids: number[]): Promise<void>;
  decide(state: State, command: Command): D;
  /** Folds a decision into the state, so that the next command sees it. */
  apply(state: State, decision: D): void;
  /** Asks its statements without awaiting them: they travel with the commit, which fails when one of them does. */
  save(tx: Tx, state: State, decisions: D[]): void;
  /**
   * Optional: what a chain's next transaction may begin with instead of `empty`, once this one is committed; asked for
   * together with `save`. Nobody else is supposed to write meanwhile, but nothing may go wrong where somebody does: `save` must
   * fail when what it relies on has changed.
   */
  carry?(tx: Tx, state: State): Promise<State>;
}

export interface Traced<Command> {
  /** undefined: an event that means nothing to this service; only the cursor passes it. */
  command: Command | undefined;
  /** `traceparent` of the request behind it. */
  trace: string | null;
}

export interface RequestOptions<D> {
  /** Whom the command concerns. */
  user_id?: number | undefined;
  idempotency?: Idempotency | undefined;
  /** The reply to keep under the Idempotency-Key; undefined: keep none, a repetition is decided anew. */
  reply?: (decision: D) => Reply | undefined;
  /** Of a reply that is given again: whom it is about, where no `user_id` says so. */
  userOf?: (reply: Reply) => number | undefined;
  /** Called before the commit, perhaps several times: the place to wait for what the commit will set off. */
  decided?: (decision: D) => void;
}

export type RequestResult<D> = { decision: D } | { replay: Reply };

/** Of a run of events: how many were applied, and why not all. */
export interface EventsResult {
  applied: number;
  stopped?: 'missing' | 'conflict' | Error;
}
