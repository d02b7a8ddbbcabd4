import createFetch from 'openapi-fetch';
import { InexactSumError, ProblemError, UnexpectedReplyError } from './errors.ts';
import { findInexact } from './exact.ts';
import type { Limits } from './limits.ts';
import { type Attempt, fetchRepeatedly } from './repeat.ts';
import type { paths } from './schema.ts';
import type { Problem } from './types.ts';

export type Api = ReturnType<typeof createFetch<paths>>;

interface Sent<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

export interface TransportOptions extends Attempt {
  headers: Record<string, string>;
  baseUrlOf: (path: string) => string;
}

/** Sends calls under their limits, and turns what comes back into a value or an error. */
export class Transport {
  readonly #options: TransportOptions;

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  get<T>(limits: Limits, path: string, send: (api: Api) => Promise<Sent<T>>): Promise<T> {
    return this.#call({ ...limits, idempotencyKey: undefined }, path, send);
  }

  /** Under the caller's key or one of its own. */
  post<T>(limits: Limits, path: string, send: (api: Api) => Promise<Sent<T>>): Promise<T> {
    return this.#call(
      { ...limits, idempotencyKey: limits.idempotencyKey ?? crypto.randomUUID() },
      path,
      send,
    );
  }

  async #call<T>(limits: Limits, path: string, send: (api: Api) => Promise<Sent<T>>): Promise<T> {
    const { headers, baseUrlOf, ...how } = this.#options;
    const { idempotencyKey } = limits;
    limits.signal?.throwIfAborted();
    const api = createFetch<paths>({
      baseUrl: baseUrlOf(path),
      headers: { ...headers, ...(idempotencyKey ? { 'idempotency-key': idempotencyKey } : {}) },
      fetch: async (request) => checked(await fetchRepeatedly(request, limits, how), idempotencyKey),
    });
    const { data, error, response } = await send(api);
    if (response.ok) return data as T;
    const requestId = response.headers.get('x-request-id') ?? undefined;
    throw new ProblemError(error as Problem, requestId, idempotencyKey);
  }
}

/** The reply, if it is one of these services. */
async function checked(response: Response, idempotencyKey: string | undefined): Promise<Response> {
  const text = await response.clone().text();
  const type = response.headers.get('content-type') ?? '';
  const wanted = response.ok ? /^application\/json\b/ : /^application\/problem\+json\b/;
  if (!wanted.test(type)) {
    const what = `${response.status} with ${type || 'no content type'}`;
    const message = `${what} is no reply of stream-processing`;
    throw new UnexpectedReplyError(message, response.status, text, idempotencyKey);
  }
  const inexact = findInexact(text);
  if (inexact !== undefined)
    throw new InexactSumError(`${inexact} has more digits than a JavaScript number can hold`, idempotencyKey);
  return response;
}
