export interface Batches {
  hasMore: () => boolean;
  /** Commits what gathered, and says when all of it is on its way to PostgreSQL; never rejects. */
  next: (sent: () => void) => Promise<void>;
  /** Nothing more to do here. */
  rested: () => void;
}

/** Batch after batch, each of what gathered while the one before was under way; at rest while there is nothing to do. */
export class BatchLoop {
  readonly #batches: Batches;
  readonly #afterwards: (() => void)[] = [];
  #running: Promise<void> | undefined;

  constructor(batches: Batches) {
    this.#batches = batches;
  }

  /** There is more to do. */
  wake(): void {
    this.#running ??= this.#run();
  }

  /**
   * Runs while PostgreSQL writes the next batch: it should not wait for us while we write a hundred answers and read the
   * next hundred requests.
   */
  afterwards(task: () => void): void {
    this.#afterwards.push(task);
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
      await next(() => this.#runAfterwards());
    }
    // In the same breath as the last look: whoever wakes it next must find that nobody runs.
    this.#running = undefined;
    this.#runAfterwards();
    rested();
  }

  #runAfterwards(): void {
    const tasks = this.#afterwards.splice(0);
    if (tasks.length > 0) setImmediate(() => tasks.forEach((task) => void task()));
  }
}
