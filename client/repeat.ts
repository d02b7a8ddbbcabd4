import { NoAnswerError } from './errors.ts';
import { delay, type Limits, remaining } from './limits.ts';
import { NOTHING_DONE } from './schema.ts';

/** Statuses after which the very same request may succeed: the services' own, and of a gateway that did not reach them. */
const WORTH_REPEATING = new Set([408, 502, 503, 504]);
/** Of these a gateway tells nothing of what became of the request. */
const GATEWAY_LOST = new Set([502, 504]);
/** The most that a timer takes. */
const TIMER_MS_MAX = 2 ** 31 - 1;
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
 * connection may break in the middle of it as well. The last refusal is the answer only where no attempt before it may have
 * taken effect.
 */
export async function fetchRepeatedly(request: Request, limits: Limits, how: Attempt): Promise<Response> {
  let isInDoubt = false;
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
    const isPost = limits.idempotencyKey !== undefined;
    if (pause >= remaining(limits)) {
      if (response && !(isPost && isInDoubt)) return response;
      const cause = 'cause' in outcome ? outcome.cause : await refusalOf(outcome.response);
      throw new NoAnswerError(request.url, attempts, limits.idempotencyKey, cause);
    }
    isInDoubt ||= !response || !(await hasDoneNothing(response));
    await delay(pause, limits.signal);
  }
}

async function fetchOnce(
  request: Request,
  limits: Limits,
  { fetch, attemptTimeout }: Attempt,
): Promise<Response> {
  const ms = Math.min(attemptTimeout, remaining(limits), TIMER_MS_MAX);
  const timer = AbortSignal.timeout(Math.max(0, Math.ceil(ms)));
  const signal = limits.signal ? AbortSignal.any([limits.signal, timer]) : timer;
  // Followed, a POST that was sent elsewhere would become a GET, and its headers would go along.
  const response = await fetch(request, { signal, redirect: 'manual' });
  const { status, headers } = response;
  // A browser does not tell the status of a redirection. Some statuses have no body, not even an empty one.
  return new Response((await response.text()) || null, { status: status || 302, headers });
}

async function hasDoneNothing(response: Response): Promise<boolean> {
  if (GATEWAY_LOST.has(response.status)) return false;
  return NOTHING_DONE.has((await refusalOf(response))?.code ?? '');
}

/** The problem that it tells; undefined: it is no service's. */
async function refusalOf(response: Response): Promise<{ code?: string } | undefined> {
  try {
    return (await response.clone().json()) as { code?: string };
  } catch {
    return undefined;
  }
}

/** Jittered, so that callers who were refused together do not come back together. */
function pauseAfter(attempts: number, response: Response | undefined): number {
  const told = Number(response?.headers.get('retry-after') ?? 0) * 1000 || 0;
  const own = Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** (attempts - 1));
  return Math.max(told, own / 2) + (Math.random() * own) / 2;
}
