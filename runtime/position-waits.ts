/** Positions that only grow, by partition, and those who wait for them. */
export class PositionWaits {
  readonly #known = new Map<number, number>();
  readonly #waiting = new Map<number, Set<{ position: number; done: () => void }>>();

  known(partition: number): number {
    return this.#known.get(partition) ?? 0;
  }

  /** Somebody learned that the partition reaches `position`; late or repeated news does no harm. */
  reached(partition: number, position: number): void {
    if (position <= this.known(partition)) return;
    this.#known.set(partition, position);
    for (const waiting of this.#waiting.get(partition) ?? []) {
      if (waiting.position <= position) waiting.done();
    }
  }

  /** Those who wait for the partition look again. */
  wake(partition: number): void {
    for (const waiting of this.#waiting.get(partition) ?? []) waiting.done();
  }

  /** Resolves once the partition reaches `position`, on `wake` or on abort: ask `known` which it was. */
  until(partition: number, position: number, signal: AbortSignal): Promise<void> {
    if (this.known(partition) >= position || signal.aborted) return Promise.resolve();
    const set = this.#waiting.get(partition) ?? new Set();
    this.#waiting.set(partition, set);
    return new Promise((resolve) => {
      const waiting = {
        position,
        done() {
          set.delete(waiting);
          signal.removeEventListener('abort', waiting.done);
          resolve();
        },
      };
      set.add(waiting);
      signal.addEventListener('abort', waiting.done);
    });
  }

  /** Does anybody wait? Then it is worth looking. */
  get waiting(): boolean {
    return [...this.#waiting.values()].some((set) => set.size > 0);
  }
}
