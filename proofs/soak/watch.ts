import { setTimeout as delay } from 'node:timers/promises';
import type { Attempt } from './callers.ts';
import type { Fault } from './faults.ts';

const RECOVERY_MS_MAX = 60_000;
const LOOK_MS = 10;

/** Watches the callers' attempts: how many succeed while nothing is wrong, and how soon all do again after a fault. */
export class Watch {
  readonly #recoveries: number[] = [];
  #users: number[] = [];
  #faultAt: number | undefined;
  /** Users with a final answer to what they asked after the fault. */
  readonly #served = new Set<number>();
  #attempts = 0;
  #successes = 0;
  #calmSince = 0;

  /** These users ask all the time. */
  expect(user_ids: number[]): void {
    this.#users = user_ids;
    this.#calmSince = performance.now();
  }

  see({ at, ok, final, user_id }: Attempt): void {
    if (this.#faultAt !== undefined) {
      if (final && at >= this.#faultAt) this.#served.add(user_id);
      return;
    }
    if (at < this.#calmSince) return;
    this.#attempts += 1;
    if (ok) this.#successes += 1;
  }

  begin(_fault: Fault): void {
    this.#faultAt = performance.now();
    this.#served.clear();
  }

  /** Resolves when every user was served since the fault began; answers how long that took. */
  async recovered(signal: AbortSignal): Promise<number> {
    const began = this.#faultAt!;
    while (this.#served.size < this.#users.length) {
      if (performance.now() - began > RECOVERY_MS_MAX) {
        const missing = this.#users.filter((user) => !this.#served.has(user));
        throw new Error(
          `not recovered within ${RECOVERY_MS_MAX / 1000} s: users ${missing.join(', ')} are not served`,
        );
      }
      await delay(LOOK_MS, undefined, { signal });
    }
    const ms = performance.now() - began;
    this.#recoveries.push(ms);
    this.#faultAt = undefined;
    this.#calmSince = performance.now();
    return ms;
  }

  summary() {
    const sorted = this.#recoveries.toSorted((a, b) => a - b);
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
    return {
      success: this.#attempts === 0 ? 0 : this.#successes / this.#attempts,
      recoveries: { p50: at(0.5), p99: at(0.99), max: sorted.at(-1) ?? 0 },
    };
  }
}
