import { setTimeout as delay } from 'node:timers/promises';
import { LogUnavailable } from './log.ts';
import { isTransient } from './sql-errors.ts';

const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 5000;

export interface Patience {
  /** How long to go on trying; 0 tries once. */
  seconds: number;
  /** Aborting ends the wait, which then rejects with the reason of the signal. */
  signal: AbortSignal;
  /** It failed, and the next try comes in so many milliseconds. */
  onRetry: (error: unknown, retry_ms: number) => void;
}

/**
 * Tries until the database, or the broker, answers: in a cluster nobody starts after everybody that it needs. What the
 * database answers, a refused password say, is final at once.
 */
export async function awaitAnswer<T>(attempt: () => Promise<T>, patience: Patience): Promise<T> {
  const { seconds, signal, onRetry } = patience;
  const deadline = performance.now() + seconds * 1000;
  for (let ms = RETRY_MS_MIN; ; ms = Math.min(ms * 2, RETRY_MS_MAX)) {
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      const left = deadline - performance.now();
      const passes = isTransient(error) || error instanceof LogUnavailable;
      if (!passes || left <= 0) throw error;
      const retry_ms = Math.ceil(Math.min(ms, left));
      onRetry(error, retry_ms);
      await delay(retry_ms, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}
