export interface Batches {
  hasMore: () => boolean;
  /** Commits what gathered; never rejects. */
  next: () => Promise<void>;
  /** Nothing more to do here. */
  rested: () => void;
}

/** Answers of one turn of the event loop: about a millisecond, for which PostgreSQL may have to wait for us. */
const SLICE = 16;
/** A turn that takes longer has much else to do: then all answers go at once, or they would wait for a hundred turns. */
const TURN_MS_MAX = 5;

/** Batch after batch, each of what gathered while the one before was under way; at rest while there is nothing to do. */
export class BatchLoop {
  readonly #batches: Batches;
  #tasks: (() => void)[] = [];
  #done = 0;
  #draining = false;
  /** When this turn of the event loop began, as far as is known. */
  #turned = 0;
  #running: Promise<void> | undefined;

  constructor(batches: Batches) {
    this.#batches = batches;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** There is more to do. */
  wake(): void {
    this.#running ??= this.#run();
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
    await this.#running;
  }

  async #run(): Promise<void> {
    const { hasMore, next, rested } = this.#batches;
    while (hasMore()) {
      // Let everything that this turn of the event loop brings share the next batch.
      await new Promise(setImmediate);
      const batch = next();
      this.#drain();
      await batch;
    }
    // In the same breath as the last look: whoever wakes it next must find that nobody runs.
    this.#running = undefined;
    this.#drain();
    rested();
  }

  #drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#turned = performance.now();
    setImmediate(this.#slice);
  }

  readonly #slice = (): void => {
    const began = performance.now();
    const size = began - this.#turned > TURN_MS_MAX ? this.#tasks.length : SLICE;
    const until = Math.min(this.#tasks.length, this.#done + size);
    while (this.#done < until) this.#tasks[this.#done++]!();
    this.#turned = performance.now();
    if (this.#done < this.#tasks.length) return void setImmediate(this.#slice);
    this.#tasks = [];
    this.#done = 0;
    this.#draining = false;
  };
}
