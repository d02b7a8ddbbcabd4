/**
 * The single way in which a service writes (group commit). Commands, from requests or from other services' events,
 * gather while the previous transaction runs; then one transaction serves them all:
 *
 *   load the state of every key concerned, locked → decide each command in turn, purely, in memory →
 *   save by set-based statements → move cursors → keep replies → append events → commit → answer each.
 *
 * No timer and no added delay: an idle service commits one command at once, a busy one hundreds.
 */
import { Problem } from '@stream-processing/contracts/problems.ts';
import { append, type TracedEvent } from './append.ts';
import { CursorConflict, type CursorMove, moveCursors } from './cursors.ts';
import { type Idempotency, Replies, type Reply } from './idempotency.ts';
import type { NewEvent, Positions } from './log.ts';
import type { Sql, Tx } from './sql.ts';
import { isConnectionLoss, isTransient } from './sql-errors.ts';
import { fateOf } from './transaction-fate.ts';

export interface Decision {
  /** Nothing is changed: state is missing that another service's log may yet bring. */
  missing?: true;
  events?: NewEvent[];
}

/** What a service gives the pipeline: its rules (decide, apply: pure) and its tables (load, save). */
export interface Work<State, Command, D extends Decision> {
  /** Reads and locks, in key order, all that the commands concern. */
  load(tx: Tx, commands: Command[]): Promise<State>;
  decide(state: State, command: Command): D;
  /** Folds a decision into the batch's state, so that the next command sees it. */
  apply(state: State, decision: D): void;
  /** Sends all its statements before it waits for the first answer: the append must come last. */
  save(tx: Tx, state: State, decisions: D[]): Promise<unknown>;
}

export interface Traced<Command> {
  /** undefined: an event that means nothing to this service; only the cursor passes it. */
  command: Command | undefined;
  /** `traceparent` of the request behind it. */
  trace: string | null;
}

export interface RequestOptions<D> {
  idempotency?: Idempotency | undefined;
  /** The reply to keep under the Idempotency-Key; undefined: keep none, a repetition is decided anew. */
  reply?: (decision: D) => Reply | undefined;
  /** Called before the commit, perhaps several times: the place to wait for what the commit will set off. */
  decided?: (decision: D) => void;
}

export type RequestResult<D> = { decision: D } | { replay: Reply };

/** Of a run of events: how many were applied, and why not all. */
export interface EventsResult {
  applied: number;
  stopped?: 'missing' | 'conflict' | Error;
}

export interface Committed<D> {
  log: Positions;
  moves: CursorMove[];
  decisions: D[];
}

export interface PipelineOptions<State, Command, D extends Decision> {
  sql: Sql;
  partitions: number;
  work: Work<State, Command, D>;
  /** Runs after each commit, before anybody is answered. */
  onCommit(committed: Committed<D>): void;
  observe?: (batch: { commands: number; seconds: number }) => void;
  /** Requests that may wait; one more is refused with `overloaded`. */
  queueMax?: number;
}

interface Unit<Command, D> {
  commands: Traced<Command>[];
  request?: RequestOptions<D>;
  cursor?: Omit<CursorMove, 'to'>;
  resolveRequest?: (result: RequestResult<D>) => void;
  resolveEvents?: (result: EventsResult) => void;
  reject: (error: unknown) => void;
}

/** How one unit fared within a batch that is not committed yet. */
type Fate<D> =
  | { kind: 'decided'; decision: D }
  | { kind: 'replayed'; replay: Reply }
  | { kind: 'refused'; error: unknown }
  | { kind: 'events'; result: EventsResult };

interface Transacted<D> {
  fates: Fate<D>[];
  committed: Committed<D>;
}

const QUEUE_MAX = 4096;
const BATCH_MAX = 2048;
const TRIES = 8;
const TRIES_ISOLATING = 2;

export class Pipeline<State, Command, D extends Decision> {
  readonly #options: PipelineOptions<State, Command, D>;
  readonly #queue: Unit<Command, D>[] = [];
  #requests = 0;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(options: PipelineOptions<State, Command, D>) {
    this.#options = options;
  }

  /** Requests that wait for their transaction. */
  get queued(): number {
    return this.#requests;
  }

  /** One command of one caller. Resolves after its commit is durable; rejects with a Problem or decide's error. */
  submit(command: Traced<Command>, request: RequestOptions<D> = {}): Promise<RequestResult<D>> {
    if (this.#closed) return Promise.reject(new Problem('stopping'));
    if (this.#requests >= (this.#options.queueMax ?? QUEUE_MAX))
      return Promise.reject(new Problem('overloaded'));
    this.#requests += 1;
    return new Promise((resolveRequest, reject) => {
      this.#enqueue({ commands: [command], request, resolveRequest, reject });
    });
  }

  /** A run of events, positions `cursor.from + 1` onward; the cursor moves with their effects. */
  submitEvents(commands: Traced<Command>[], cursor: Omit<CursorMove, 'to'>): Promise<EventsResult> {
    if (this.#closed) return Promise.reject(new Problem('stopping'));
    return new Promise((resolveEvents, reject) => this.#enqueue({ commands, cursor, resolveEvents, reject }));
  }

  /** Finishes what was accepted; what comes later is refused. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  #enqueue(unit: Unit<Command, D>): void {
    this.#queue.push(unit);
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    // Let everything that this turn of the event loop brings share the first transaction.
    await new Promise(setImmediate);
    while (this.#queue.length > 0) await this.#process(this.#take(), TRIES);
    // In the same breath as the look at the queue: whoever submits next must find that nobody runs.
    this.#running = undefined;
  }

  #take(): Unit<Command, D>[] {
    let commands = 0;
    let count = 0;
    while (count < this.#queue.length && (count === 0 || commands < BATCH_MAX)) {
      commands += this.#queue[count]!.commands.length;
      count += 1;
    }
    const units = this.#queue.splice(0, count);
    this.#requests -= units.filter((unit) => unit.request).length;
    return units;
  }

  async #process(units: Unit<Command, D>[], tries: number): Promise<void> {
    if (units.length === 0) return;
    let done: Transacted<D>;
    try {
      done = await this.#transact(units);
    } catch (error) {
      return this.#recover(units, error, tries);
    }
    this.#options.onCommit(done.committed);
    units.forEach((unit, i) => {
      answer(unit, done.fates[i]!);
    });
  }

  /** Nothing of these units was committed, as far as is known. */
  async #recover(units: Unit<Command, D>[], error: unknown, tries: number): Promise<void> {
    if (error instanceof CursorConflict) {
      const lost = (unit: Unit<Command, D>) =>
        error.lost.some((m) => m.source === unit.cursor?.source && m.partition === unit.cursor.partition);
      for (const unit of units.filter(lost)) unit.resolveEvents?.({ applied: 0, stopped: 'conflict' });
      return this.#process(
        units.filter((unit) => !lost(unit)),
        tries,
      );
    }
    if (isTransient(error) && tries > 1) {
      await pause(TRIES - tries);
      return this.#process(units, tries - 1);
    }
    if (error instanceof Problem || isConnectionLoss(error)) {
      const problem = error instanceof Problem ? error : new Problem('unavailable');
      for (const unit of units) answer(unit, refusal(unit, problem));
      return;
    }
    return this.#isolate(units, error);
  }

  /** Some command of this batch cannot be saved: halve until it stands alone, so that only it fails. */
  async #isolate(units: Unit<Command, D>[], error: unknown): Promise<void> {
    if (units.length > 1) {
      const middle = Math.ceil(units.length / 2);
      await this.#process(units.slice(0, middle), TRIES_ISOLATING);
      return this.#process(units.slice(middle), TRIES_ISOLATING);
    }
    const unit = units[0]!;
    if (unit.commands.length === 1) return answer(unit, refusal(unit, error));
    // Of a run of events the first half; its processor submits the rest again.
    unit.commands = unit.commands.slice(0, Math.ceil(unit.commands.length / 2));
    return this.#process([unit], TRIES_ISOLATING);
  }

  async #transact(units: Unit<Command, D>[]): Promise<Transacted<D>> {
    const { sql, work, partitions, observe } = this.#options;
    const began = performance.now();
    let xid: string | null = null;
    let finished: Transacted<D> | undefined;
    try {
      await sql.begin(async (tx) => {
        // Sent together, run in this order; the transaction's id is what an unanswered commit is asked for by.
        const [[row], state, replies] = await Promise.all([
          tx<{ xid: string }[]>`select pg_current_xact_id()::text as xid`,
          work.load(
            tx,
            units.flatMap((unit) => unit.commands.flatMap((traced) => traced.command ?? [])),
          ),
          Replies.load(
            tx,
            units.flatMap((unit) => unit.request?.idempotency ?? []),
          ),
        ]);
        xid = row!.xid;
        const batch = decideAll(work, state, replies, units);
        const [, , , log] = await Promise.all([
          work.save(tx, state, batch.decisions),
          moveCursors(tx, batch.moves),
          replies.save(tx),
          append(tx, batch.events, partitions, new Date()),
        ]);
        finished = { fates: batch.fates, committed: { log, moves: batch.moves, decisions: batch.decisions } };
      });
    } catch (error) {
      // The connection broke while the commit was under way: PostgreSQL itself knows what became of it.
      if (!finished || !xid || !isConnectionLoss(error)) throw error;
      const fate = await fateOf(sql, xid);
      if (fate === 'aborted') throw error;
      if (fate === 'unknown') throw new Problem('outcome_unknown');
    }
    observe?.({
      commands: units.reduce((sum, unit) => sum + unit.commands.length, 0),
      seconds: (performance.now() - began) / 1000,
    });
    return finished!;
  }
}

interface Batch<D> {
  fates: Fate<D>[];
  decisions: D[];
  events: TracedEvent[];
  moves: CursorMove[];
}

function decideAll<State, Command, D extends Decision>(
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

function answer<Command, D>(unit: Unit<Command, D>, fate: Fate<D>): void {
  if (fate.kind === 'events') unit.resolveEvents?.(fate.result);
  else if (fate.kind === 'refused') unit.reject(fate.error);
  else
    unit.resolveRequest?.(fate.kind === 'replayed' ? { replay: fate.replay } : { decision: fate.decision });
}

function refusal<Command, D>(unit: Unit<Command, D>, error: unknown): Fate<D> {
  return unit.cursor
    ? { kind: 'events', result: { applied: 0, stopped: error as Error } }
    : { kind: 'refused', error };
}

/** 10, 20, 40 … 640 ms, jittered: about 1.3 s over all tries, enough for a deadlock or a restarting server. */
function pause(retry: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 10 * 2 ** retry * (0.5 + Math.random())));
}
