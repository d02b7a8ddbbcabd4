import { ProblemSchema } from '@stream-processing/contracts/common.ts';
import { PROBLEMS, type ProblemCode } from '@stream-processing/contracts/problems.ts';
import type { Static, TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { expect } from 'vitest';
import type { Reply } from './api.ts';

/** The reply is what the contract says: this status, this kind of JSON, and a body of exactly this form. */
export function expectReply<T extends TSchema>(reply: Reply, status: number, schema: T): Static<T> {
  expect(reply, JSON.stringify(reply.body)).toMatchObject({ status });
  expect(reply.headers.get('content-type')).toBe('application/json; charset=utf-8');
  expect(reply.headers.get('x-request-id')).toMatch(/^[0-9a-f]{32}$/);
  expect(Compile(schema).Errors(reply.body)).toEqual([]);
  return reply.body;
}

/** The reply is this refusal, whole; `pointers` are the parts of the request that are at fault, each named once. */
export function expectProblem(reply: Reply, code: ProblemCode, pointers?: string[]): void {
  const { status, title, retry } = PROBLEMS[code];
  expect(reply.body).toMatchObject({ code, status, title, type: `urn:problem:${code}` });
  expect(reply.status).toBe(status);
  expect(reply.headers.get('content-type')).toMatch(/^application\/problem\+json(; charset=utf-8)?$/);
  expect(reply.headers.get('x-request-id')).toMatch(/^[0-9a-f]{32}$/);
  expect(reply.headers.has('retry-after')).toBe(retry);
  expect(Compile(ProblemSchema).Errors(reply.body)).toEqual([]);
  const { errors } = reply.body as Static<typeof ProblemSchema>;
  expect(errors && [...new Set(errors.map((error) => error.pointer))]).toEqual(pointers);
}
