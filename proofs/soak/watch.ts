import { setTimeout as delay } from 'node:timers/promises';
import { CALL_MS_MAX } from './call.ts';
import type { Attempt } from './callers.ts';

const RECOVERY_MS_MAX = 60_000;
const LOOK_MS = 10;

/** Watches the callers' attempts: how many succeed while nothing is wrong, and how soon all do again after a fault. */
export class Watch {
  readonly #recoveries: number[] = [];
  #users: number[] = [];
  #faultAt: number | undefined;
  /** Since when the harm is done: who asked before may have been served by what was still whole. */
  #harmedAt = Number.POSITIVE_INFINITY;
  /** Users with the result of an order that they asked for since. */
  readonly #served = new Set<number>();
  #servedAt: number | undefined;
  #attempts = 0;
  #successes = 0;
  #calmSince = 0;
  /** Ended within the calm that lasts. */
  #calm: Attempt[] = [];
  /** When attempts of the last calm began that had all their time before the fault. */
  #counted = { from: 0, until: 0 };

  /** These users ask all the time. */
  expect(user_ids: number[]): void {
    this.#users = user_ids;
    this.#calmSince = performance.now();
  }

  see(attempt: Attempt): void {
    const { at, isFinalOrder, user_id } = attempt;
    if (this.#faultAt === undefined && at >= this.#calmSince) this.#calm.push(attempt);
    else this.#count(attempt);
    if (this.#faultAt === undefined || !isFinalOrder || at < this.#harmedAt) return;
    this.#served.add(user_id);
    if (this.#served.size === this.#users.length) this.#servedAt ??= performance.now();
  }

  begin(): void {
    this.#endCalm();
    this.#faultAt = performance.now();
    this.#harmedAt = Number.POSITIVE_INFINITY;
    this.#served.clear();
    this.#servedAt = undefined;
  }

  harmed(): void {
    this.#harmedAt = performance.now();
  }

  /** Resolves when every user was served since the harm was done; answers how long after the fault's begin that was, in ms. */
  async recovered(signal: AbortSignal): Promise<number> {
    const began = this.#faultAt!;
    while (this.#servedAt === undefined) {
      if (performance.now() - began > RECOVERY_MS_MAX) {
        const missing = this.#users.filter((user) => !this.#served.has(user));
        throw new Error(
          `not recovered within ${RECOVERY_MS_MAX / 1000} s: users ${missing.join(', ')} are not served`,
        );
      }
      await delay(LOOK_MS, undefined, { signal });
    }
    const ms = this.#servedAt - began;
    this.#recoveries.push(ms);
    this.#faultAt = undefined;
    this.#calmSince = performance.now();
    return ms;
  }

  summary() {
    this.#endCalm();
    const sorted = this.#recoveries.toSorted((a, b) => a - b);
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
    return {
      attempts: this.#attempts,
      success: this.#attempts === 0 ? 0 : this.#successes / this.#attempts,
      recoveries: { p50: at(0.5), p99: at(0.99), max: sorted.at(-1) ?? 0 },
    };
  }

  /**
   * Attempts count by when they began, and only where the calm lasted for longer than they may take: one that is never answered ends
   * later than others, mostly in the next fault, and must count all the same.
   */
  #endCalm(): void {
    this.#counted = { from: this.#calmSince, until: performance.now() - CALL_MS_MAX };
    for (const attempt of this.#calm.splice(0)) this.#count(attempt);
  }

  #count({ at, isFirst, ok }: Attempt): void {
    if (!isFirst || at < this.#counted.from || at >= this.#counted.until) return;
    this.#attempts += 1;
    if (ok) this.#successes += 1;
  }
}
