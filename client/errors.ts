import type { ProblemCode } from './schema.ts';
import type { Order, Problem } from './types.ts';

/** A service refused the request: `application/problem+json`. Nothing is repeated any more when this is thrown. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly status: number;
  /** One of docs/errors.md, or one of a newer version. */
  readonly code: ProblemCode | (string & {});
  readonly title: string;
  /** What is wrong in particular: JSON pointers into the body, or names of parameters and headers. */
  readonly errors: readonly { pointer: string; detail: string }[];
  /** Finds the request in the service's log. */
  readonly requestId: string | undefined;
  /** Of a POST: the key under which it may be repeated. */
  readonly idempotencyKey: string | undefined;

  constructor(problem: Problem, requestId: string | undefined, idempotencyKey: string | undefined) {
    super(problem.detail);
    this.status = problem.status;
    this.code = problem.code;
    this.title = problem.title;
    this.errors = problem.errors ?? [];
    this.requestId = requestId;
    this.idempotencyKey = idempotencyKey;
  }
}

/** What came is no reply of these services: of something in between, mostly, or of another address altogether. */
export class UnexpectedReplyError extends Error {
  override readonly name = 'UnexpectedReplyError';
  readonly status: number;
  /** As it came. */
  readonly body: string;
  /** Of a POST, of which it is not known whether it took effect: repeat it under this key, and it takes effect once. */
  readonly idempotencyKey: string | undefined;

  constructor(message: string, status: number, body: string, idempotencyKey: string | undefined) {
    super(message);
    this.status = status;
    this.body = body;
    this.idempotencyKey = idempotencyKey;
  }
}

/** The reply tells a sum that no JavaScript number holds. Of a POST: it took effect. */
export class InexactSumError extends RangeError {
  override readonly name = 'InexactSumError';
  /** Of a POST: the key under which it has taken effect. */
  readonly idempotencyKey: string | undefined;

  constructor(message: string, idempotencyKey: string | undefined) {
    super(message);
    this.idempotencyKey = idempotencyKey;
  }
}

/** No reply within the time that the call had. Of a POST it is not known whether it took effect. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError';
  readonly attempts: number;
  /** Of a POST: repeat it under this key, and it takes effect once. */
  readonly idempotencyKey: string | undefined;

  constructor(url: string, attempts: number, idempotencyKey: string | undefined, cause: unknown) {
    super(`no answer from ${url}, asked ${attempts} ${attempts === 1 ? 'time' : 'times'}`, { cause });
    this.attempts = attempts;
    this.idempotencyKey = idempotencyKey;
  }
}

/** The order is durable, but was not decided within the time that the call had. `orders.final(order.id)` goes on waiting. */
export class PendingOrderError extends Error {
  override readonly name = 'PendingOrderError';
  readonly order: Order;

  constructor(order: Order, cause?: unknown) {
    super(`order ${order.id} is still pending`, { cause });
    this.order = order;
  }
}
