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
import { Admission } from './admission.ts';
import { append } from './append.ts';
import { answer, type Batch, decideAll, type Fate, refusal, type Unit } from './batch.ts';
import { type CursorMove, conflictOf, moveCursors } from './cursors.ts';
import { Replies } from './idempotency.ts';
import type { LogEvent } from './log.ts';
import type { Sql } from './sql.ts';
import { isConnectionLoss, isTransient } from './sql-errors.ts';
import { fateOf } from './transaction-fate.ts';
import type { Decision, EventsResult, RequestOptions, RequestResult, Traced, Work } from './work.ts';

export interface Committed<D> {
  /** As appended to the log; empty when their positions did not become known. */
  events: LogEvent[];
  moves: CursorMove[];
  decisions: D[];
}

export interface PipelineOptions<State, Command, D extends Decision> {
  sql: Sql;
  partitions: number;
  work: Work<State, Command, D>;
  /** Runs right after each commit: others can go on with its events while we answer. */
  announce(committed: Committed<D>): void;
  /** Runs before the answers to the commit's requests. */
  onCommit(committed: Committed<D>): void;
  observe?: (batch: { commands: number; seconds: number }) => void;
  /** How many requests may wait; one more is refused with `overloaded`. */
  admission?: Admission;
}

interface Transacted<D> {
  fates: Fate<D>[];
  committed: Committed<D>;
}

const BATCH_MAX = 2048;
const TRIES = 8;
const TRIES_ISOLATING = 2;

export class Pipeline<State, Command, D extends Decision> {
  readonly #options: PipelineOptions<State, Command, D>;
  readonly #admission: Admission;
  readonly #queue: Unit<Command, D>[] = [];
  /** Of committed batches, to be told. */
  readonly #answers: (() => void)[] = [];
  #requests = 0;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(options: PipelineOptions<State, Command, D>) {
    this.#options = options;
    this.#admission = options.admission ?? new Admission();
  }

  /** Requests that wait for their transaction. */
  get queued(): number {
    return this.#requests;
  }

  /** Would another request be refused? */
  get full(): boolean {
    return this.#requests >= this.#admission.limit;
  }

  /** One command of one caller. Resolves after its commit is durable; rejects with a Problem or decide's error. */
  submit(command: Traced<Command>, request: RequestOptions<D> = {}): Promise<RequestResult<D>> {
    if (this.#closed) return Promise.reject(new Problem('stopping'));
    if (this.full) return Promise.reject(new Problem('overloaded'));
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
    while (this.#queue.length > 0) {
      // Let everything that this turn of the event loop brings share the next transaction.
      await new Promise(setImmediate);
      const processing = this.#process(this.#take(), TRIES);
      this.#answerRequests();
      await processing;
    }
    // In the same breath as the look at the queue: whoever submits next must find that nobody runs.
    this.#running = undefined;
    this.#answerRequests();
  }

  /** After the next transaction is on its way: PostgreSQL should not wait while we write a hundred answers. */
  #answerRequests(): void {
    const answers = this.#answers.splice(0);
    if (answers.length > 0) setImmediate(() => answers.forEach((each) => void each()));
  }

  #take(): Unit<Command, D>[] {
    let commands = 0;
    let count = 0;
    while (count < this.#queue.length && (count === 0 || commands < BATCH_MAX)) {
      commands += this.#queue[count]!.commands.length;
      count += 1;
    }
    const units = this.#queue.splice(0, count);
    const requests = units.filter((unit) => unit.request).length;
    this.#requests -= requests;
    this.#admission.serve(requests);
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
    this.#options.announce(done.committed);
    units.forEach((unit, i) => {
      // A processor goes on at once, so that its next events find the next transaction.
      if (unit.cursor) answer(unit, done.fates[i]!);
    });
    this.#answers.push(() => {
      this.#options.onCommit(done.committed);
      units.forEach((unit, i) => {
        if (!unit.cursor) answer(unit, done.fates[i]!);
      });
    });
  }

  /** Nothing of these units was committed, as far as is known. */
  async #recover(units: Unit<Command, D>[], error: unknown, tries: number): Promise<void> {
    const conflict = conflictOf(error);
    if (conflict) {
      const lost = (unit: Unit<Command, D>) =>
        conflict.some((c) => c.source === unit.cursor?.source && c.partition === unit.cursor.partition);
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
    const commands = units.flatMap((unit) => unit.commands.flatMap((traced) => traced.command ?? []));
    const keys = units.flatMap((unit) => unit.request?.idempotency ?? []);
    let xid: string | undefined;
    let batch: Batch<D> | undefined;
    let events: Promise<LogEvent[]> = Promise.resolve([]);
    try {
      await sql.begin(async (tx) => {
        // Sent together; the transaction's id is what an unanswered commit is asked for by.
        const [[row], state, replies] = await Promise.all([
          tx<{ xid: string }[]>`select pg_current_xact_id()::text as xid`,
          work.load(tx, commands),
          Replies.load(tx, keys),
        ]);
        xid = row!.xid;
        batch = decideAll(work, state, replies, units);
        // Sent together, and with the commit.
        work.save(tx, state, batch.decisions);
        moveCursors(tx, batch.moves);
        replies.save(tx);
        events = append(tx, batch.events, partitions, new Date());
        events.catch(() => {});
      });
    } catch (error) {
      // The connection broke while the commit was under way: PostgreSQL itself knows what became of it.
      if (!batch || !xid || !isConnectionLoss(error)) throw error;
      const fate = await fateOf(sql, xid);
      if (fate === 'aborted') throw error;
      if (fate === 'unknown') throw new Problem('outcome_unknown');
      // Their positions were in the answer that never came: whoever follows the log looks by itself.
      events = Promise.resolve([]);
    }
    observe?.({ commands: commands.length, seconds: (performance.now() - began) / 1000 });
    const { fates, decisions, moves } = batch!;
    return { fates, committed: { events: await events, moves, decisions } };
  }
}

/** 10, 20, 40 … 640 ms, jittered: about 1.3 s over all tries, enough for a deadlock or a restarting server. */
function pause(retry: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 10 * 2 ** retry * (0.5 + Math.random())));
}
