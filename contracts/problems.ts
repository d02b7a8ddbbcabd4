/**
 * Every refusal that a service can answer, by its code. `docs/errors.md` is this table in words, and a test
 * keeps the two equal. `retry` says whether the very same request may succeed later.
 */
export const PROBLEMS = {
  malformed_json: { status: 400, title: 'The body is not valid JSON', retry: false },
  invalid_request: { status: 400, title: 'The request is not valid HTTP for this service', retry: false },
  invalid_parameter: { status: 400, title: 'A path or query parameter is invalid', retry: false },
  invalid_header: { status: 400, title: 'A header is invalid', retry: false },
  route_not_found: { status: 404, title: 'There is no such route', retry: false },
  user_not_found: { status: 404, title: 'There is no such user', retry: false },
  account_not_found: { status: 404, title: 'There is no such account', retry: false },
  order_not_found: { status: 404, title: 'There is no such order', retry: false },
  method_not_allowed: { status: 405, title: 'The route does not know this method', retry: false },
  request_timeout: { status: 408, title: 'The request did not arrive in time', retry: true },
  email_taken: { status: 409, title: 'The e-mail address is in use', retry: false },
  balance_limit_exceeded: { status: 409, title: 'The account cannot hold that much', retry: false },
  body_too_large: { status: 413, title: 'The body is too large', retry: false },
  unsupported_media_type: { status: 415, title: 'The body must be application/json', retry: false },
  invalid_body: { status: 422, title: 'The body does not have the expected form', retry: false },
  idempotency_key_reused: {
    status: 422,
    title: 'The Idempotency-Key belongs to another request',
    retry: false,
  },
  headers_too_large: { status: 431, title: 'The headers are too large', retry: false },
  internal_error: { status: 500, title: 'The service failed', retry: false },
  overloaded: { status: 503, title: 'The service has too much to do', retry: true },
  stopping: { status: 503, title: 'The service is stopping', retry: true },
  unavailable: { status: 503, title: 'The database does not answer', retry: true },
  outcome_unknown: { status: 503, title: 'It is not known whether the request took effect', retry: true },
  not_fresh: { status: 503, title: 'The newest state could not be had in time', retry: true },
} as const;

export type ProblemCode = keyof typeof PROBLEMS;

/** Codes of refusals that are worth repeating and promise that nothing was done: all but the one that cannot tell. */
export const NOTHING_DONE: ReadonlySet<string> = new Set(
  Object.entries(PROBLEMS).flatMap(([code, { retry }]) => (retry && code !== 'outcome_unknown' ? code : [])),
);

export interface InvalidPart {
  /** JSON pointer into the body, or the name of a parameter or header. */
  pointer: string;
  detail: string;
}

/** A refusal on its way to the caller. Thrown anywhere, turned into `application/problem+json` at the edge. */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly errors: InvalidPart[] | undefined;
  /** Seconds, for `Retry-After`. */
  readonly retry_after: number | undefined;

  constructor(
    code: ProblemCode,
    detail?: string,
    more: { errors?: InvalidPart[]; retry_after?: number; cause?: unknown } = {},
  ) {
    super(detail ?? `${PROBLEMS[code].title}.`, { cause: more.cause });
    this.code = code;
    this.errors = more.errors;
    this.retry_after = more.retry_after ?? (PROBLEMS[code].retry ? 1 : undefined);
  }

  get status(): number {
    return PROBLEMS[this.code].status;
  }

  toJSON() {
    const { status, title } = PROBLEMS[this.code];
    const problem = {
      type: `urn:problem:${this.code}`,
      title,
      status,
      detail: this.message,
      code: this.code,
    };
    return this.errors ? { ...problem, errors: this.errors } : problem;
  }
}
