/**
 * Services of one process that keep their tables in one database share their transactions: what one of them publishes is
 * applied by those who follow it before the commit, and all of it is written at once. An order is then placed, paid, told
 * of and settled by one commit instead of three in a row. (Stream processors call the like "operator chaining".)
 *
 * Nothing else changes: the same decisions, rows, events and cursors as with a transaction each. Where a chain cannot go
 * on (another process shares the work, a service has to catch up, a processor stands still, the transaction fails) each
 * service goes on by itself.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ServiceName } from '@stream-processing/contracts/names.ts';
import { BatchLoop } from './batch-loop.ts';
import type { Publication } from './outbox.ts';
import type { Pipeline } from './pipeline.ts';
import type { Processor } from './processor.ts';
import type { Sql, Tx } from './sql.ts';
import { type AnyShare, transact } from './transaction.ts';

// biome-ignore lint/suspicious/noExplicitAny: pipelines of different services have no state or commands in common
type AnyPipeline = Pipeline<any, any, any>;
type Shares = Map<AnyPipeline, AnyShare>;

export interface ChainMember {
  service: ServiceName;
  pipeline: AnyPipeline;
  follows: readonly ServiceName[];
  /** Who applies this partition of a log that the service follows; undefined: another instance, or nobody yet. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  processor: (source: ServiceName, partition: number) => Processor<any> | undefined;
}

export interface ChainOptions {
  sql: Sql;
  /** Does another process work for this service, or follow it? Then its transactions should be short and in nobody's way. */
  isShared: (service: ServiceName) => boolean;
  /** From now on `isShared` is to know of such a process at once. */
  heedOthers: (service: ServiceName) => void;
  /** A transaction failed, for this reason; each service goes on by itself. */
  onFailure: (error: unknown) => void;
}

/**
 * A transaction that failed fails all its services: by themselves they find out which of them cannot go on, and the
 * others do not suffer. The first pause is 1 s, each further one in a row twice as long.
 */
const PAUSE_MS = 1000;
const PAUSE_MS_MAX = 30_000;
/** A service that is busy by itself for longer than this is not waited for. */
const BUSY_MS_MAX = 250;

export class Chain {
  readonly #options: ChainOptions;
  readonly #members = new Map<ServiceName, ChainMember>();
  readonly #loop = new BatchLoop({
    waiting: () => (this.isOpen ? Math.max(...this.#pipelines.map((pipeline) => pipeline.waiting)) : 0),
    next: () => this.#transact(),
    rested: () => this.#pipelines.forEach((pipeline) => void pipeline.wake()),
  });
  #pausedUntil = 0;
  #failures = 0;

  constructor(options: ChainOptions) {
    this.#options = options;
  }

  join(member: ChainMember): void {
    this.#members.set(member.service, member);
    if (this.#members.size === 1) return;
    for (const service of this.#members.keys()) this.#options.heedOthers(service);
  }

  /** Resolves when nothing of this service is under way here any more. */
  async leave(service: ServiceName): Promise<void> {
    this.#members.delete(service);
    await this.#loop.rest();
  }

  has(service: ServiceName): boolean {
    return this.#members.has(service);
  }

  /** Does it take transactions now? Otherwise each service makes its own. */
  get isOpen(): boolean {
    return (
      this.#members.size > 1 &&
      performance.now() >= this.#pausedUntil &&
      !this.#pipelines.some((pipeline) => pipeline.isBehind) &&
      ![...this.#members.keys()].some(this.#options.isShared)
    );
  }

  /** A pipeline has something to commit. */
  wake(): void {
    this.#loop.wake();
  }

  async close(): Promise<void> {
    await this.#loop.rest();
    await this.#options.sql.end();
  }

  get #pipelines() {
    return [...this.#members.values()].map(({ pipeline }) => pipeline);
  }

  async #transact(): Promise<void> {
    if (this.#pipelines.some((pipeline) => pipeline.isBusy) && !(await this.#restOfAll()))
      return this.#pause();
    const shares: Shares = new Map();
    for (const pipeline of this.#pipelines) if (pipeline.hasMore) shares.set(pipeline, pipeline.take());
    try {
      const committed = await transact(this.#options.sql, [...shares.values()], {
        prefetch: (tx) => this.#prefetch(shares, tx),
        handOn: (source, published, now) => this.#handOn(shares, source, published, now),
      });
      this.#failures = 0;
      for (const share of committed) this.#loop.afterwards(share.tasks());
    } catch (error) {
      this.#options.onFailure(error);
      this.#pause();
      for (const [pipeline, share] of shares) pipeline.takeBack(share, error);
    }
  }

  #pause(): void {
    this.#pausedUntil = performance.now() + Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** this.#failures++);
  }

  /** Whether all transactions that the services began by themselves ended soon; as long as the chain is open, they begin none. */
  #restOfAll(): Promise<boolean> {
    const rest = Promise.all(this.#pipelines.map((pipeline) => pipeline.rest()));
    return Promise.race([rest.then(() => true), delay(BUSY_MS_MAX, false, { ref: false })]);
  }

  /** Requests will set off events about their users: whoever follows can load them with the first statements. */
  async #prefetch(shares: Shares, tx: Tx): Promise<void> {
    const usersOf = new Map([...shares.values()].map((share) => [share.service, share.user_ids]));
    const loads = [...this.#members.values()].map(({ pipeline, follows }) => {
      const user_ids = follows.flatMap((source) => usersOf.get(source) ?? []);
      if (user_ids.length === 0) return undefined;
      const share = shares.get(pipeline) ?? pipeline.share([]);
      shares.set(pipeline, share);
      return share.prefetch(tx, user_ids);
    });
    await Promise.all(loads);
  }

  /** Gives events to the processors at rest that would read them next; answers whose share has something to do now. */
  #handOn(shares: Shares, source: AnyShare, published: Publication[], now: Date): Set<AnyShare> {
    const receivers = new Set<AnyShare>();
    for (const { pipeline, follows, processor: processorOf } of this.#members.values()) {
      if (!follows.includes(source.service)) continue;
      const share = shares.get(pipeline) ?? pipeline.share([]);
      shares.set(pipeline, share);
      for (const { partition, events } of published) {
        const processor = processorOf(source.service, partition);
        const from = processor && share.positionOf(processor);
        if (from === undefined) continue;
        const before = events[0]!.ordinal - 1;
        if (!source.assume(partition, from - before)) continue;
        const placed = events.map((event, i) => ({ ...event, position: from + 1 + i, created_at: now }));
        share.deliver(processor!, placed, now);
        receivers.add(share);
      }
    }
    return receivers;
  }
}
