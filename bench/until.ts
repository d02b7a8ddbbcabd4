import { setTimeout as delay } from 'node:timers/promises';

/** Resolves as soon as the condition holds; after `ms` rejects with what was missing. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  { ms, signal, everyMs = 20 }: { ms: number; signal: AbortSignal; everyMs?: number },
): Promise<void> {
  const deadline = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within ${ms / 1000} s: ${what}`);
    await delay(everyMs, undefined, { signal });
  }
}
