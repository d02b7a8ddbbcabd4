/** Seconds that `POST /orders` waits for the final status. */
export const WAIT_DEFAULT = 5;
export const WAIT_MAX = 30;

/**
 * Reads `Prefer` (RFC 7240): milliseconds to wait for the final status, 0 for `respond-async`. Preferences that we
 * do not know or cannot read are passed over, as the RFC asks.
 */
export function waitOf(header: string | string[] | undefined): { ms: number; applied: string | undefined } {
  let wait = WAIT_DEFAULT;
  let applied: string | undefined;
  for (const preference of [header ?? []].flat().join(',').split(',')) {
    const [name = '', value = ''] = preference
      .split(';')[0]!
      .split('=')
      .map((part) => part.trim());
    if (name.toLowerCase() === 'respond-async') return { ms: 0, applied: 'respond-async' };
    const seconds = /^"?(\d{1,9})"?$/.exec(value)?.[1];
    if (name.toLowerCase() !== 'wait' || seconds === undefined || applied) continue;
    wait = Math.min(Number(seconds), WAIT_MAX);
    applied = `wait=${wait}`;
  }
  return { ms: wait * 1000, applied };
}
