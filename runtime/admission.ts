/** A request waits at most about so long for its transaction before it is better refused. */
const WAIT_MS = 200;
/** Pace is measured over windows at least so long. */
const WINDOW_MS = 100;

/**
 * How many requests may wait: as many as are served in 200 ms at the present pace (by Little's law: queue = rate × wait),
 * but at least `min`, which is what a transaction takes at most, so that a burst at rest is taken; and at most `max`, for memory's sake.
 */
export class Admission {
  readonly #min: number;
  readonly #max: number;
  /** Requests a second: falls by half a window, grows at once. */
  #pace = 0;
  #served = 0;
  #since = performance.now();

  constructor(min = 2048, max = 8192) {
    this.#min = min;
    this.#max = max;
  }

  get limit(): number {
    return Math.min(this.#max, Math.max(this.#min, (this.#pace * WAIT_MS) / 1000));
  }

  /** So many requests went into a transaction. */
  serve(requests: number, now = performance.now()): void {
    this.#served += requests;
    const elapsed = now - this.#since;
    if (elapsed < WINDOW_MS) return;
    const pace = (this.#served * 1000) / elapsed;
    this.#pace = Math.max(pace, (this.#pace + pace) / 2);
    this.#served = 0;
    this.#since = now;
  }
}
