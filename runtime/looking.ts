/** The first look comes so soon, the next ones after twice as long each time, the last ones every MS_MAX. */
const MS_MIN = 20;
const MS_MAX = 500;

/** Looks from time to time, while that is needed, for what no wake-up may tell. */
export class Looking {
  readonly #look: () => Promise<void>;
  readonly #isNeeded: () => boolean;
  #ms = MS_MAX;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #closed = false;

  constructor({ look, isNeeded }: { look: () => Promise<void>; isNeeded: () => boolean }) {
    this.#look = look;
    this.#isNeeded = isNeeded;
  }

  /** Somebody began to need it; `soon`: most likely no wake-up will come. */
  begin(soon: boolean): void {
    const ms = soon ? MS_MIN : MS_MAX;
    if (this.#looking || (this.#timer && this.#ms <= ms)) {
      this.#ms = Math.min(this.#ms, ms);
      return;
    }
    this.#wait(ms);
  }

  /** Looks at once. */
  readonly now = (): void => void this.#look().catch(() => {});

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  #wait(ms: number): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#ms = ms;
    this.#timer = setTimeout(() => this.#fire(), ms);
    this.#timer.unref();
  }

  #fire(): void {
    this.#timer = undefined;
    if (!this.#isNeeded()) return;
    this.#ms = Math.min(2 * this.#ms, MS_MAX);
    // A failed one is followed by another all the same.
    this.#looking = this.#look()
      .catch(() => {})
      .finally(() => {
        this.#looking = undefined;
        if (this.#isNeeded()) this.#wait(this.#ms);
      });
  }
}
