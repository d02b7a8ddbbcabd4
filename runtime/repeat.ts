import { setTimeout as delay } from 'node:timers/promises';

/** Runs `work` every `ms` until the signal aborts; a failure is reported and the next round comes all the same. */
export async function repeat(
  ms: number,
  signal: AbortSignal,
  work: () => Promise<void>,
  onError: (error: unknown) => void = () => {},
): Promise<void> {
  while (!signal.aborted) {
    await work().catch(onError);
    await delay(ms, undefined, { signal, ref: false }).catch(() => {});
  }
}
