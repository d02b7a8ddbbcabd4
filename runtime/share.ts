import type { ServiceName } from '@stream-processing/contracts/names.ts';
import { Problem } from '@stream-processing/contracts/problems.ts';
import { type Answers, answersOf } from './answers.ts';
import { append } from './append.ts';
import { type CursorMove, moveCursors } from './cursors.ts';
import { Replies, type Reply } from './idempotency.ts';
import type { LogEvent } from './log.ts';
import { Outbox, type Publication } from './outbox.ts';
import type { Processor } from './processor.ts';
import type { Tx } from './sql.ts';
import { answer, type Fate, type Unit } from './unit.ts';
import type { Decision, EventsResult, Traced, Work } from './work.ts';

export interface Committed<D> {
  /** As appended to the log; empty when their positions did not become known. */
  events: LogEvent[];
  moves: CursorMove[];
  decisions: D[];
}

export interface ShareOptions<State, Command, D extends Decision> {
  service: ServiceName;
  /** Where its tables are. */
  schema: string;
  partitions: number;
  work: Work<State, Command, D>;
  /** Runs right after each commit: others can go on with its events while we answer. */
  announce(committed: Committed<D>): void;
  /** Runs before the answers to the commit's requests. */
  onCommit(committed: Committed<D>): void;
  observe?: ((batch: { commands: number; seconds: number }) => void) | undefined;
}

/** Where a chain's transaction leaves what the next one begins with; nothing there: with nothing. */
export interface Carried<State> {
  state?: State;
}

/**
 * One service's share of a transaction: loads and decides in memory, in several rounds when the services are chained,
 * then saves once. Nothing of it is answered or announced before the commit.
 */
export class Share<State, Command, D extends Decision> {
  readonly #options: ShareOptions<State, Command, D>;
  readonly #units: Unit<Command, D>[];
  readonly #carried: Carried<State> | undefined;
  readonly #state: State;
  readonly #began = performance.now();
  readonly #fates: { unit: Unit<Command, D>; fate: Fate<D> }[] = [];
  readonly #decisions: D[] = [];
  readonly #moves: CursorMove[] = [];
  readonly #outbox: Outbox;
  /** How far the chain takes each processor within this transaction; undefined: it has to go on by itself. */
  readonly #reached = new Map<object, number | undefined>();
  #replies = new Replies(new Map());
  #due: Unit<Command, D>[];
  #committed: Committed<D> = { events: [], moves: [], decisions: [] };

  /** `carried`: for a chain's transaction. */
  constructor(options: ShareOptions<State, Command, D>, units: Unit<Command, D>[], carried?: Carried<State>) {
    this.#options = options;
    this.#carried = carried;
    this.#units = units;
    // A copy: what is delivered later is not given back with them.
    this.#due = [...units];
    this.#state = carried?.state ?? options.work.empty();
    this.#outbox = new Outbox(options.partitions);
  }

  get service(): ServiceName {
    return this.#options.service;
  }

  /** What was given to it at first. */
  get units(): Unit<Command, D>[] {
    return this.#units;
  }

  /** Reads and locks what the next `decide` needs. */
  async load(tx: Tx): Promise<void> {
    const { work, schema } = this.#options;
    const own = tx.in(schema);
    const commands = this.#due.flatMap((unit) => unit.commands.flatMap((traced) => traced.command ?? []));
    const keys = this.#due.flatMap((unit) => unit.request?.idempotency ?? []);
    const [replies] = await Promise.all([
      keys.length > 0 ? Replies.load(own, keys) : undefined,
      work.load(own, this.#state, commands),
    ]);
    if (replies) this.#replies = replies;
  }

  /** Of the requests that were given to it. */
  get user_ids(): number[] {
    return this.#units.flatMap((unit) => unit.request?.user_id ?? []);
  }

  async prefetch(tx: Tx, user_ids: number[]): Promise<void> {
    const { work, schema } = this.#options;
    await work.prefetch?.(tx.in(schema), this.#state, user_ids);
  }

  /** Decides what is due, and answers the events that this brings. */
  decide(): Publication[] {
    const due = this.#due;
    this.#due = [];
    for (const unit of due) {
      const fate = unit.cursor ? this.#decideEvents(unit, unit.cursor) : this.#decideRequest(unit);
      this.#fates.push({ unit, fate });
    }
    return this.#outbox.news();
  }

  /** May somebody rely on it that the service's log ends at `head` before this transaction? */
  assume(partition: number, head: number): boolean {
    return this.#outbox.assume(partition, head);
  }

  /** From where this transaction may take the processor on. */
  positionOf(processor: Processor<Command>): number | undefined {
    return this.#reached.has(processor) ? this.#reached.get(processor) : processor.restsAt;
  }

  /** Events that another share publishes in the same transaction are due in the next round, as if the processor had read them. */
  deliver(processor: Processor<Command>, events: LogEvent[], now: Date): void {
    const { source, partition } = processor;
    const from = this.positionOf(processor)!;
    const commands: Traced<Command>[] = [];
    try {
      for (const event of events)
        commands.push({ command: processor.toCommand(event, now), trace: event.trace });
    } catch {
      // Malformed: the processor will meet it in the log, and tell.
    }
    this.#due.push({
      commands,
      cursor: { source, partition, from },
      decidedEvents: ({ applied }) =>
        void this.#reached.set(processor, applied === events.length ? from + applied : undefined),
      resolveEvents: ({ applied }) => processor.advance(events.slice(0, applied)),
    });
  }

  /** Asks all that has to be written, without awaiting it: it travels with the commit. Answers what it appends. */
  save(tx: Tx, now: Date): Promise<LogEvent[]> {
    const { work, schema } = this.#options;
    const own = tx.in(schema);
    // First: where another instance has applied these events, that is what must be told, not that our rows collide with its.
    moveCursors(own, this.#moves);
    if (this.#decisions.length > 0) work.save(own, this.#state, this.#decisions);
    this.#replies.save(own);
    if (this.#carried) this.#carry(own, this.#carried);
    return append(own, this.#outbox, now);
  }

  /**
   * The commit is durable: processors may go on. Comes before `announce`, and of all shares before that of any, so that
   * nobody hears of events which were applied already and applies them again.
   */
  committed(events: LogEvent[]): void {
    this.#committed = { events, moves: this.#moves, decisions: this.#decisions };
    for (const { unit, fate } of this.#fates) if (unit.cursor) answer(unit, fate);
    const commands = this.#fates.reduce((sum, { unit }) => sum + unit.commands.length, 0);
    this.#options.observe?.({ commands, seconds: (performance.now() - this.#began) / 1000 });
  }

  announce(): void {
    this.#options.announce(this.#committed);
  }

  /** Those who wait for what was decided may hear of it. */
  tell(): void {
    this.#options.onCommit(this.#committed);
  }

  /** To be done one by one: `tell`, and then the answers. */
  *tasks(): Iterable<() => void> {
    yield () => this.tell();
    for (const { unit, fate } of this.#fates) if (!unit.cursor) yield () => answer(unit, fate);
  }

  /** To be given after `tell`, each when others can see what it tells. */
  get answers(): Answers[] {
    return answersOf(this.#fates, this.#committed.events, this.#options.partitions);
  }

  /** Its answer comes before the commit's; where that fails, nobody looks here again. */
  #carry(tx: Tx, carried: Carried<State>): void {
    this.#options.work.carry?.(tx, this.#state).then(
      (state) => {
        carried.state = state;
      },
      () => {},
    );
  }

  #accept(decision: D, trace: string | null): void {
    this.#options.work.apply(this.#state, decision);
    this.#decisions.push(decision);
    for (const event of decision.events ?? []) this.#outbox.add(event, trace);
  }

  #decideRequest(unit: Unit<Command, D>): Fate<D> {
    const { command, trace } = unit.commands[0]!;
    const { idempotency, reply, decided } = unit.request!;
    const first = idempotency && this.#replies.find(idempotency);
    if (first === 'reused') return { kind: 'refused', error: new Problem('idempotency_key_reused') };
    if (first) return { kind: 'replayed', replay: first };
    let decision: D;
    let kept: Reply | undefined;
    try {
      decision = this.#options.work.decide(this.#state, command!);
      kept = idempotency && reply?.(decision);
      decided?.(decision);
    } catch (error) {
      return { kind: 'refused', error };
    }
    if (!decision.missing) this.#accept(decision, trace);
    if (idempotency && kept) this.#replies.add(idempotency, kept);
    return { kind: 'decided', decision };
  }

  #decideEvents(unit: Unit<Command, D>, cursor: Omit<CursorMove, 'to'>): Fate<D> {
    const result: EventsResult = { applied: 0 };
    for (const { command, trace } of unit.commands) {
      if (command !== undefined) {
        let decision: D;
        try {
          decision = this.#options.work.decide(this.#state, command);
        } catch (error) {
          result.stopped = error as Error;
          break;
        }
        if (decision.missing) {
          result.stopped = 'missing';
          break;
        }
        this.#accept(decision, trace);
      }
      result.applied += 1;
    }
    if (result.applied > 0) this.#move(cursor, cursor.from + result.applied);
    unit.decidedEvents?.(result);
    return { kind: 'events', result };
  }

  #move({ source, partition, from }: Omit<CursorMove, 'to'>, to: number): void {
    const before = this.#moves.find((m) => m.source === source && m.partition === partition && m.to === from);
    if (before) before.to = to;
    else this.#moves.push({ source, partition, from, to });
  }
}
