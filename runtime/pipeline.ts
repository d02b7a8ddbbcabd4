/**
 * The single way in which a service writes (group commit). Commands, from requests or from other services' events,
 * gather while the previous transaction runs; then one transaction serves them all (transaction.ts).
 *
 * No timer and no added delay: an idle service commits one command at once, a busy one hundreds.
 */
import { Problem } from '@stream-processing/contracts/problems.ts';
import { Admission } from './admission.ts';
import type { Answers, Told } from './answers.ts';
import { BatchLoop } from './batch-loop.ts';
import type { Chain } from './chain.ts';
import { type CursorMove, conflictOf } from './cursors.ts';
import { type Carried, Share, type ShareOptions } from './share.ts';
import type { Sql } from './sql.ts';
import { isConnectionLoss, isContention, isTransient, isUnfit } from './sql-errors.ts';
import { transact } from './transaction.ts';
import { refuse, type Unit } from './unit.ts';
import type { Decision, EventsResult, RequestOptions, RequestResult, Traced } from './work.ts';

export interface PipelineOptions<State, Command, D extends Decision> extends ShareOptions<State, Command, D> {
  sql: Sql;
  /** Takes this pipeline's batches into transactions with other services, while it is open. */
  chain?: Chain | undefined;
  /** Resolves when other services can see what is to be told; undefined: they can already. */
  published?: ((told: Told) => Promise<void> | undefined) | undefined;
  /** How many requests may wait; one more is refused with `overloaded`. */
  admission?: Admission;
  /** As RECOVERY_MS_MAX. */
  recovery_ms_max?: number;
}

const BATCH_MAX = 2048;
/** As many events at once show that there are more. */
const LONG_RUN = 256;
const BEHIND_MS = 500;
const TRIES = 8;
const TRIES_ISOLATING = 2;
/** A batch that others' locks keep from being saved for so long is refused: each try waits for them for 10 s. */
const RECOVERY_MS_MAX = 30_000;

export class Pipeline<State, Command, D extends Decision> {
  readonly #options: PipelineOptions<State, Command, D>;
  readonly #admission: Admission;
  readonly #queue: Unit<Command, D>[] = [];
  readonly #loop = new BatchLoop({
    waiting: () => (this.#openChain ? 0 : this.waiting),
    next: () => this.#process(this.#takeUnits()),
    rested: () => this.wake(),
  });
  /** By the chain's last transaction. Another one in its place is how it is forgotten, also by a transaction under way. */
  #carried: Carried<State> = {};
  #requests = 0;
  #behindUntil = 0;
  #closed = false;

  constructor(options: PipelineOptions<State, Command, D>) {
    this.#options = options;
    this.#admission = options.admission ?? new Admission();
  }

  /** Requests that wait for their transaction. */
  get queued(): number {
    return this.#requests;
  }

  /** Requests and runs of events. */
  get waiting(): number {
    return this.#queue.length;
  }

  get hasMore(): boolean {
    return this.waiting > 0;
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
    if (commands.length >= LONG_RUN) this.#behindUntil = performance.now() + BEHIND_MS;
    return new Promise((resolveEvents, reject) => this.#enqueue({ commands, cursor, resolveEvents, reject }));
  }

  /** Finishes what was accepted; what comes later is refused. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#options.chain?.leave(this.#options.service);
    this.wake();
    await this.rest();
  }

  /** Whatever waits gets its transaction: the chain's or one of our own. */
  wake(): void {
    if (!this.hasMore) return;
    const chain = this.#openChain;
    if (chain) chain.wake();
    else this.#loop.wake();
  }

  /** The chain, while it would look at what waits here: not after this pipeline has left it. */
  get #openChain(): Chain | undefined {
    const { chain, service } = this.#options;
    return chain?.isOpen && chain.has(service) ? chain : undefined;
  }

  /** Did it get a long run of events just now? Then more will come, and it catches up best by itself. */
  get isBehind(): boolean {
    return performance.now() < this.#behindUntil;
  }

  /** Is a transaction of its own under way? */
  get isBusy(): boolean {
    return this.#loop.isRunning;
  }

  /** Resolves when none is. */
  rest(): Promise<void> {
    return this.#loop.rest();
  }

  /** For the chain: the next batch. */
  take(): Share<State, Command, D> {
    return this.share(this.#takeUnits());
  }

  /** From the chain, which could not commit it. */
  takeBack({ units }: Share<State, Command, D>, error: unknown): void {
    this.forget();
    // Whether it is committed cannot be told: not to be tried again.
    if (error instanceof Problem) {
      for (const unit of units) refuse(unit, error);
      return;
    }
    this.#queue.unshift(...units);
    this.#requests += countRequests(units);
    this.wake();
  }

  /** For the chain: some units, or none yet. */
  share(units: Unit<Command, D>[]): Share<State, Command, D> {
    return new Share(this.#options, units, this.#carried);
  }

  /** Somebody else may have written: the chain's next share begins with nothing. */
  forget(): void {
    this.#carried = {};
  }

  #enqueue(unit: Unit<Command, D>): void {
    this.#queue.push(unit);
    this.wake();
  }

  #takeUnits(): Unit<Command, D>[] {
    let commands = 0;
    let count = 0;
    while (count < this.#queue.length && (count === 0 || commands < BATCH_MAX)) {
      commands += this.#queue[count]!.commands.length;
      count += 1;
    }
    const units = this.#queue.splice(0, count);
    const requests = countRequests(units);
    this.#requests -= requests;
    this.#admission.serve(requests);
    return units;
  }

  async #process(
    units: Unit<Command, D>[],
    tries = TRIES,
    deadline = performance.now() + (this.#options.recovery_ms_max ?? RECOVERY_MS_MAX),
  ): Promise<void> {
    if (units.length === 0) return;
    this.forget();
    const share = new Share(this.#options, units);
    try {
      await transact(this.#options.sql, [share]);
    } catch (error) {
      return this.#recover(units, error, tries, deadline);
    }
    const { published } = this.#options;
    if (!published) return this.#loop.afterwards(share.tasks());
    // What others’ events led to is published already, and nobody need wait for what this transaction publishes.
    share.tell();
    for (const answers of share.answers) this.#give(answers, published);
  }

  /** Not awaited: the next transaction can go on until others can see what is told. */
  #give({ told, tasks, withhold }: Answers, published: (told: Told) => Promise<void> | undefined): void {
    const visible = told && published(told);
    if (visible) {
      void visible.then(
        () => {
          for (const give of tasks) give();
        },
        // It is committed: only a Problem that says so may be the answer.
        (error) => withhold(error instanceof Problem ? error : new Problem('outcome_unknown')),
      );
    } else this.#loop.afterwards(tasks);
  }

  /** Nothing of these units was committed, as far as is known. */
  async #recover(units: Unit<Command, D>[], error: unknown, tries: number, deadline: number): Promise<void> {
    const conflict = conflictOf(error);
    if (conflict) {
      const lost = (unit: Unit<Command, D>) =>
        conflict.some((c) => c.source === unit.cursor?.source && c.partition === unit.cursor.partition);
      for (const unit of units.filter(lost)) unit.resolveEvents?.({ applied: 0, stopped: 'conflict' });
      return this.#process(
        units.filter((unit) => !lost(unit)),
        tries,
        deadline,
      );
    }
    // Others' locks, or a database that is away: what else passes by a further try does so at once.
    const isLate = performance.now() > deadline && (isContention(error) || isConnectionLoss(error));
    if (isTransient(error) && tries > 1 && !isLate) {
      await pause(TRIES - tries);
      return this.#process(units, tries - 1, deadline);
    }
    if (error instanceof Problem || isConnectionLoss(error) || isUnfit(error) || isLate) {
      const problem =
        error instanceof Problem ? error : new Problem('unavailable', undefined, { cause: error });
      for (const unit of units) refuse(unit, problem);
      return;
    }
    return this.#isolate(units, error, deadline);
  }

  /** Some command of this batch cannot be saved: halve until it stands alone, so that only it fails. */
  async #isolate(units: Unit<Command, D>[], error: unknown, deadline: number): Promise<void> {
    if (units.length > 1) {
      const middle = Math.ceil(units.length / 2);
      await this.#process(units.slice(0, middle), TRIES_ISOLATING, deadline);
      return this.#process(units.slice(middle), TRIES_ISOLATING, deadline);
    }
    const unit = units[0]!;
    if (unit.commands.length === 1)
      return refuse(
        unit,
        isContention(error) ? new Problem('unavailable', undefined, { cause: error }) : error,
      );
    // Of a run of events the first half; its processor submits the rest again.
    unit.commands = unit.commands.slice(0, Math.ceil(unit.commands.length / 2));
    return this.#process([unit], TRIES_ISOLATING, deadline);
  }
}

function countRequests(units: { request?: unknown }[]): number {
  return units.filter((unit) => unit.request).length;
}

/** 10, 20, 40 … 640 ms, jittered: about 1.3 s over all tries, enough for a deadlock or a restarting server. */
function pause(retry: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 10 * 2 ** retry * (0.5 + Math.random())));
}
