export interface CallOptions {
  /** Ends the call at once; it then rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Milliseconds for the whole call, with all its attempts. Default: the client's, which is 30,000. */
  timeout?: number;
  /** Of a POST. Default: a new UUID for each call, the same for all its attempts. */
  idempotencyKey?: string;
}

/** What bounds one call. */
export interface Limits {
  signal: AbortSignal | undefined;
  /** On the clock of performance.now(). */
  deadline: number;
  /** Undefined for a GET, which needs none. */
  idempotencyKey: string | undefined;
}

/** What the services take: visible ASCII. */
const KEY = /^[\x21-\x7e]{1,255}$/;

export function limitsOf(timeout: number, options: CallOptions): Limits {
  const ms = options.timeout ?? timeout;
  assertAboveZero('timeout', ms);
  const { signal, idempotencyKey } = options;
  // Without one a POST must not be repeated.
  if (idempotencyKey !== undefined && !KEY.test(idempotencyKey))
    throw new TypeError('idempotencyKey must be 1 to 255 visible ASCII characters');
  return { signal, deadline: performance.now() + ms, idempotencyKey };
}

export function assertAboveZero(name: string, ms: number): void {
  if (!(ms > 0)) throw new TypeError(`${name} must be a number of milliseconds above 0, not ${ms}`);
}

export function remaining({ deadline }: Limits): number {
  return deadline - performance.now();
}

/** Rejects with the signal's reason when that comes first. */
export function delay(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', abort, { once: true });
  });
}
