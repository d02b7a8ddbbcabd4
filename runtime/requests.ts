/** From a route to the pipeline and back: one command, an Idempotency-Key, the fresh look, and what may be told when. */
import { ProblemSchema } from '@stream-processing/contracts/common.ts';
import { PROBLEMS, Problem, type ProblemCode } from '@stream-processing/contracts/problems.ts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import Type, { type TSchema } from 'typebox';
import type { Room } from './definition.ts';
import { fingerprint, type Idempotency, type Reply } from './idempotency.ts';
import type { Decision, RequestOptions, RequestResult } from './work.ts';

export const IdempotencyHeaders = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      pattern: '^[\\x21-\\x7e]{1,255}$',
      description: 'A repetition with the same key and body has one effect and gets the first reply again.',
    }),
  ),
});

export interface Execution<Command, D extends Decision> {
  command: Command;
  user_id?: number;
  /** What to refuse with when the command's user stays unknown. */
  missing: ProblemCode;
  /** The reply to a decision; it is kept under the Idempotency-Key. */
  reply: (decision: D) => Reply;
  decided?: RequestOptions<D>['decided'];
  userOf?: RequestOptions<D>['userOf'];
}

/**
 * Puts a request's command through the pipeline. When it speaks of a user whom this service does not know yet, waits
 * until everything that other services said about this user is applied, and asks once more.
 */
export async function execute<State, Command, D extends Decision>(
  room: Room<State, Command, D>,
  request: FastifyRequest,
  { command, user_id, missing, reply, decided, userOf }: Execution<Command, D>,
): Promise<{ reply: Reply; replayed: boolean }> {
  // Rather than to keep one more waiting, whose outcome would not be known in the end.
  if (room.isBehind(user_id)) throw new Problem('overloaded');
  const options: RequestOptions<D> = {
    user_id,
    idempotency: idempotencyOf(request, user_id),
    reply: (decision) => (decision.missing ? undefined : reply(decision)),
    ...(decided ? { decided } : {}),
    ...(userOf ? { userOf } : {}),
  };
  const traced = { command, trace: request.id };
  let result = await room.pipeline.submit(traced, options);
  if (user_id !== undefined && isMissing(result)) {
    await room.freshFor(user_id);
    result = await room.pipeline.submit(traced, options);
  }
  if ('replay' in result) return { reply: result.replay, replayed: true };
  if (result.decision.missing) throw new Problem(missing);
  return { reply: reply(result.decision), replayed: false };
}

/** Sends what `execute` answered. */
export function send(response: FastifyReply, { reply, replayed }: { reply: Reply; replayed: boolean }) {
  if (replayed) response.header('idempotency-replayed', 'true');
  response.code(reply.status);
  // A string: a reply of any status goes out as it was kept.
  const type = reply.status < 400 ? 'application/json; charset=utf-8' : 'application/problem+json';
  return response.type(type).send(JSON.stringify(reply.body));
}

/** What a read asks for, by `?consistency=`. */
export interface Reading {
  consistency: 'fresh' | 'eventual';
}

/** Looks again after a fresh wait before it says that there is nothing. */
export async function findFresh<T>(
  room: Pick<Room<never, never, never>, 'freshFor'>,
  { user_id, consistency }: Reading & { user_id: number },
  find: () => Promise<T | undefined>,
  missing: ProblemCode,
): Promise<T> {
  let found = await find();
  if (found === undefined && consistency === 'fresh') {
    await room.freshFor(user_id);
    found = await find();
  }
  if (found === undefined) throw new Problem(missing);
  return found;
}

/** Answers what was read as soon as it may be told: whoever hears of it must find its effects at every other service too. */
export async function tellVisible<T>(
  room: Pick<Room<never, never, never>, 'untilVisible'>,
  { user_ids, consistency }: Reading & { user_ids: number[] },
  found: T,
): Promise<T> {
  if (consistency === 'fresh') await room.untilVisible(user_ids);
  return found;
}

/** A business refusal as a reply to be kept, like a success. */
export function problemReply(code: ProblemCode): Reply {
  const problem = new Problem(code);
  return { status: problem.status, body: problem.toJSON() };
}

/** The refusals of a route as OpenAPI responses. */
export function problems(...codes: ProblemCode[]): Record<string, TSchema> {
  const responses: Record<string, TSchema> = {};
  const common: ProblemCode[] = ['internal_error', 'overloaded', 'unavailable', 'stopping'];
  for (const status of new Set([...codes, ...common].map((code) => PROBLEMS[code].status))) {
    const here = [...codes, ...common].filter((code) => PROBLEMS[code].status === status);
    responses[status] = {
      description: here.map((code) => `\`${code}\`: ${PROBLEMS[code].title}.`).join(' '),
      content: { 'application/problem+json': { schema: ProblemSchema } },
    } as TSchema;
  }
  return responses;
}

/** What every POST with a body may be refused for. */
export const BODY_PROBLEMS = [
  'malformed_json',
  'invalid_header',
  'unsupported_media_type',
  'body_too_large',
  'invalid_body',
  'idempotency_key_reused',
  'outcome_unknown',
] as const satisfies ProblemCode[];

function isMissing<D extends Decision>(result: RequestResult<D>): boolean {
  return 'decision' in result && result.decision.missing === true;
}

function idempotencyOf(request: FastifyRequest, user_id: number | undefined): Idempotency | undefined {
  const key = request.headers['idempotency-key'];
  if (typeof key !== 'string') return undefined;
  const scope = `${request.method} ${request.routeOptions.url} ${user_id ?? ''}`.trimEnd();
  return { scope, key, request: fingerprint(request.body) };
}
