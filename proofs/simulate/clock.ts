/**
 * Virtual time: timers, dates and chance of this process under the control of a seed. Nothing waits for real: the clock
 * jumps to the next timer once all promises that can go on have. Timers that are due together run in an order of the
 * seed's choice, which is what makes two seeds two interleavings.
 */
import { createRequire, syncBuiltinESMExports } from 'node:module';
import type { Random } from '../random.ts';

interface Timer {
  at: number;
  /** Among those that are due together; the seed's choice. */
  order: number;
  run: () => void;
  cancelled: boolean;
}

/** Several times the steps of the longest seeds seen. */
const STEPS_MAX = 100_000;
const EPOCH_MS = Date.UTC(2026, 0, 1);
const timersPromises = createRequire(import.meta.url)('node:timers/promises') as {
  setTimeout: (ms: number, value?: unknown, options?: { signal?: AbortSignal }) => Promise<unknown>;
};
const real = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setImmediate: globalThis.setImmediate,
  clearImmediate: globalThis.clearImmediate,
  Date: globalThis.Date,
  random: Math.random,
  now: performance.now,
  timeout: AbortSignal.timeout,
  delay: timersPromises.setTimeout,
};

export class Clock {
  readonly #random: Random;
  #timers: Timer[] = [];
  #now = 0;
  /** How far the calendar is off; jumps of the system's clock. */
  #skew = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Milliseconds since the beginning; never goes back. */
  get now(): number {
    return this.#now;
  }

  jump(ms: number): void {
    this.#skew += ms;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, ms), order: this.#random.next(), run, cancelled: false };
    this.#timers.push(timer);
    return () => {
      timer.cancelled = true;
    };
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  /**
   * Runs until `done` holds; answers whether it did before there was nothing left to run, the time was up, or so much had
   * run that something turns in circles.
   */
  async runUntil(done: () => boolean, ms_max: number): Promise<boolean> {
    const end = this.#now + ms_max;
    for (let step = 0; step < STEPS_MAX; step += 1) {
      // A real turn of the event loop: every promise that can go on has.
      await new Promise((resolve) => real.setImmediate(resolve));
      if (done()) return true;
      const next = this.#take();
      if (!next || next.at > end) return false;
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
    return false;
  }

  #take(): Timer | undefined {
    this.#timers = this.#timers.filter((timer) => !timer.cancelled);
    let best: Timer | undefined;
    for (const timer of this.#timers) {
      if (!best || timer.at < best.at || (timer.at === best.at && timer.order < best.order)) best = timer;
    }
    if (best) best.cancelled = true;
    return best;
  }

  /** Puts itself in the place of the process' own time and chance; answers how to take that back. */
  install(): () => void {
    const clock = this;
    const handle = (cancel: () => void) => ({
      cancel,
      ref() {
        return this;
      },
      unref() {
        return this;
      },
    });
    const cancel = (timer?: { cancel?: () => void }) => timer?.cancel?.();
    class VirtualDate extends real.Date {
      constructor(...args: unknown[]) {
        // @ts-expect-error: the parameters of Date, whichever they are
        super(...(args.length > 0 ? args : [VirtualDate.now()]));
      }
      static override now(): number {
        return Math.floor(EPOCH_MS + clock.#now + clock.#skew);
      }
    }
    Object.assign(globalThis, {
      setTimeout: (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
        handle(clock.after(ms, () => run(...args))),
      clearTimeout: cancel,
      setImmediate: (run: (...args: unknown[]) => void, ...args: unknown[]) =>
        handle(clock.after(0, () => run(...args))),
      clearImmediate: cancel,
      Date: VirtualDate,
    });
    Math.random = () => this.#random.next();
    performance.now = () => this.#now;
    AbortSignal.timeout = (ms) => {
      const controller = new AbortController();
      this.after(ms, () => controller.abort(new DOMException('timed out', 'TimeoutError')));
      return controller.signal;
    };
    timersPromises.setTimeout = (ms, value, { signal } = {}) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const stop = this.after(ms, () => {
          signal?.removeEventListener('abort', abort);
          resolve(value);
        });
        const abort = () => {
          stop();
          reject(signal!.reason);
        };
        signal?.addEventListener('abort', abort, { once: true });
      });
    syncBuiltinESMExports();
    return () => {
      Object.assign(globalThis, {
        setTimeout: real.setTimeout,
        clearTimeout: real.clearTimeout,
        setImmediate: real.setImmediate,
        clearImmediate: real.clearImmediate,
        Date: real.Date,
      });
      Math.random = real.random;
      performance.now = real.now;
      AbortSignal.timeout = real.timeout;
      timersPromises.setTimeout = real.delay;
      syncBuiltinESMExports();
    };
  }
}
