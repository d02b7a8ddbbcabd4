export interface Batches {
  /** How many wait to be taken. */
  waiting: () => number;
  /** Commits what gathered; never rejects. */
  next: () => Promise<void>;
  /** Nothing more to do here. */
  rested: () => void;
}

/** Answers of one turn of the event loop: about a millisecond, for which PostgreSQL may have to wait for us. */
const SLICE = 16;
/** A turn that takes longer has much else to do: then all answers go at once, or they would wait for a hundred turns. */
const TURN_MS_MAX = 5;
/**
 * So many at once are a crowd, and do not wait for the event loop's turn at all. With thousands of callers that can take
 * seconds: libuv looks for new requests up to 48 times, 1024 at a time, before it comes to what is set with setImmediate.
 */
const CROWD = 384;

/** Batch after batch, each of what gathered while the one before was under way; at rest while there is nothing to do. */
export class BatchLoop {
  readonly #batches: Batches;
  #tasks: (() => void)[] = [];
  #done = 0;
  #slicing: NodeJS.Immediate | undefined;
  /** When the next slice was asked for. */
  #turned = 0;
  // Set before the run begins: with nothing to do it is over at once, and its last act may begin the next one.
  #running: { ended: Promise<void> } | undefined;

  constructor(batches: Batches) {
    this.#batches = batches;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** There is more to do. */
  wake(): void {
    if (this.#running) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#running = { ended: promise };
    void this.#run(resolve);
  }

  /**
   * Tasks that the next batch need not wait for, like the writing of a hundred answers: done a few at a time, so that
   * what PostgreSQL says in between is heard.
   */
  afterwards(tasks: Iterable<() => void>): void {
    this.#tasks.push(...tasks);
  }

  /** Resolves at rest. */
  async rest(): Promise<void> {
    await this.#running?.ended;
  }

  async #run(ended: () => void): Promise<void> {
    const { waiting, next, rested } = this.#batches;
    while (waiting() > 0) {
      // Let everything that this turn of the event loop brings share the next batch.
      if (waiting() < CROWD) await new Promise(setImmediate);
      const batch = next();
      this.#drain();
      await batch;
    }
    // In the same breath as the last look: whoever wakes it next must find that nobody runs.
    this.#running = undefined;
    this.#drain();
    ended();
    rested();
  }

  #drain(): void {
    if (this.#tasks.length - this.#done >= CROWD) {
      process.nextTick(this.#all);
    } else {
      this.#turned = performance.now();
      this.#slicing ??= setImmediate(this.#slice);
    }
  }

  readonly #slice = (): void => {
    this.#slicing = undefined;
    const isSlow = performance.now() - this.#turned > TURN_MS_MAX;
    const until = isSlow ? this.#tasks.length : Math.min(this.#tasks.length, this.#done + SLICE);
    while (this.#done < until) this.#tasks[this.#done++]!();
    if (this.#done < this.#tasks.length) this.#drain();
    else this.#all();
  };

  readonly #all = (): void => {
    while (this.#done < this.#tasks.length) this.#tasks[this.#done++]!();
    this.#tasks = [];
    this.#done = 0;
    clearImmediate(this.#slicing);
    this.#slicing = undefined;
  };
}
