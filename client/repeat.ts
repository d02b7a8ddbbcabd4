import { NoAnswerError } from './errors.ts';
import { delay, type Limits, remaining } from './limits.ts';

/** Statuses after which the very same request may succeed: the services' own, and of a gateway that did not reach them. */
const WORTH_REPEATING = new Set([408, 502, 503, 504]);
/** The first pause, where the reply names none; each further one is twice as long. */
const PAUSE_MS = 100;
const PAUSE_MS_MAX = 5000;

export interface Attempt {
  fetch: typeof fetch;
  /** Milliseconds after which an attempt is given up for another one. */
  attemptTimeout: number;
}

/**
 * Sends a request until it is answered with something else than "try again", or its time is over. That is safe: a GET
 * changes nothing, and every POST carries an Idempotency-Key, the same each time. The body is read here, since a
 * connection may break in the middle of it as well.
 */
export async function fetchRepeatedly(request: Request, limits: Limits, how: Attempt): Promise<Response> {
  for (let attempts = 1; ; attempts += 1) {
    let outcome: { response: Response } | { cause: unknown };
    try {
      outcome = { response: await fetchOnce(request.clone(), limits, how) };
    } catch (cause) {
      limits.signal?.throwIfAborted();
      outcome = { cause };
    }
    const response = 'response' in outcome ? outcome.response : undefined;
    if (response && !WORTH_REPEATING.has(response.status)) return response;
    const pause = pauseAfter(attempts, response);
    if (pause >= remaining(limits)) {
      if (response) return response;
      const { cause } = outcome as { cause: unknown };
      throw new NoAnswerError(request.url, attempts, limits.idempotencyKey, cause);
    }
    await delay(pause, limits.signal);
  }
}

async function fetchOnce(
  request: Request,
  limits: Limits,
  { fetch, attemptTimeout }: Attempt,
): Promise<Response> {
  const timer = AbortSignal.timeout(Math.max(0, Math.ceil(Math.min(attemptTimeout, remaining(limits)))));
  const signal = limits.signal ? AbortSignal.any([limits.signal, timer]) : timer;
  const response = await fetch(request, { signal });
  const { status, headers } = response;
  return new Response(await response.text(), { status, headers });
}

/** Jittered, so that callers who were refused together do not come back together. */
function pauseAfter(attempts: number, response: Response | undefined): number {
  const told = Number(response?.headers.get('retry-after') ?? 0) * 1000 || 0;
  const own = Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** (attempts - 1));
  return Math.max(told, own / 2) + (Math.random() * own) / 2;
}
