import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Problem, type ProblemCode } from '@stream-processing/contracts/problems.ts';
import { expect, onTestFinished, test } from 'vitest';
import { type Operation, operationsOf } from './documents.ts';
import { Known } from './known.ts';
import { runLane } from './lane.ts';
import type { Expectation, Request } from './request.ts';
import { Tally } from './tally.ts';

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };
const TRACE = { 'x-request-id': 'a'.repeat(32) };
const ACCOUNT = { user_id: 1, balance: 5 };
const VALID: Expectation = { is: 'taken' };
const INVALID: Expectation = { is: 'refused', codes: ['invalid_body'] };
const SOON_MS = 300;

type Answer = (response: ServerResponse) => void;

const reply =
  (status: number, body: unknown = ACCOUNT, headers: Record<string, string> = {}): Answer =>
  (response) =>
    void response.writeHead(status, { ...JSON_TYPE, ...TRACE, ...headers }).end(JSON.stringify(body));
const refuse = (code: ProblemCode, more: object = {}, headers: Record<string, string> = {}): Answer => {
  const problem = new Problem(code);
  const type = { 'content-type': 'application/problem+json', ...headers };
  return reply(problem.status, { ...problem.toJSON(), ...more }, type);
};

/** Sends one request to a service that answers so; what is found, in words. */
async function foundIn(
  answer: Answer,
  expected: Expectation = VALID,
  more: Partial<Request> = {},
): Promise<string[]> {
  const server = createServer((_request, response) => answer(response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => server.closeAllConnections());
  onTestFinished(() => void server.close());
  const operation = depositAt(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const request: Request = {
    kind: 'valid',
    what: 'as the test has it',
    method: 'POST',
    target: '/accounts/1/deposit',
    headers: [['content-type', 'application/json']],
    body: Buffer.from('{"amount":5}'),
    content: { amount: 5 },
    expect: expected,
    stray: false,
    ...more,
  };
  const tally = new Tally(operation.name);
  const problem = operation.replies.get(422)!.check;
  const options = { known: new Known(), problem, signal: new AbortController().signal, replyMs: SOON_MS };
  await runLane({ operation, drafts: [() => request], tally }, options);
  expect(tally.sent).toBe(1);
  return tally.findings.map(({ broken }) => broken);
}

function depositAt(url: string): Operation {
  const text = { type: 'string' };
  const problem = {
    type: 'object',
    required: ['type', 'title', 'status', 'detail', 'code'],
    properties: { type: text, title: text, status: { type: 'integer' }, detail: text, code: text },
  };
  const account = {
    type: 'object',
    required: ['user_id', 'balance'],
    properties: { user_id: { type: 'integer', minimum: 1 }, balance: { type: 'number' } },
    additionalProperties: false,
  };
  const refusal = (description: string) => ({
    description,
    content: { 'application/problem+json': { schema: problem } },
  });
  const success = { description: '', content: { 'application/json': { schema: account } } };
  const [operation] = operationsOf('billing-service', url, {
    paths: {
      '/accounts/{user_id}/deposit': {
        post: {
          requestBody: { content: { 'application/json': { schema: { type: 'object' } } } },
          responses: {
            200: success,
            202: success,
            422: refusal('`invalid_body`: x. `idempotency_key_reused`: x.'),
            500: refusal('`internal_error`: x.'),
            503: refusal('`overloaded`: x. `not_fresh`: x.'),
          },
        },
      },
    },
  });
  return operation!;
}

test('a reply as it is described is no finding, nor is a refusal of what is wrong or comes at a slow moment', async () => {
  expect(await foundIn(reply(200))).toEqual([]);
  expect(await foundIn(refuse('invalid_body'), INVALID)).toEqual([]);
  expect(await foundIn(refuse('not_fresh', {}, { 'retry-after': '1' }))).toEqual([]);
  expect(await foundIn(refuse('not_fresh', {}, { 'retry-after': '1' }), INVALID)).toEqual([]);
});

const first = { status: 200, headers: {}, body: Buffer.from(JSON.stringify(ACCOUNT)) };
const AGAIN: Expectation = { is: 'again', first };

test.each<[string, Answer, Expectation, string]>([
  ['a status that is not declared', reply(201), VALID, 'the status 201 is not declared'],
  ['a field that is missing', reply(200, { user_id: 1 }), VALID, "must have required property 'balance'"],
  [
    'a field that is too much',
    reply(200, { ...ACCOUNT, secret: 1 }),
    VALID,
    'must NOT have additional properties',
  ],
  ['a field of another type', reply(200, { ...ACCOUNT, balance: '5' }), VALID, 'it/balance must be number'],
  [
    'another content type',
    reply(200, ACCOUNT, { 'content-type': 'text/html' }),
    VALID,
    'the content type is text/html',
  ],
  ['no trace', reply(200, ACCOUNT, { 'x-request-id': '' }), VALID, 'X-Request-Id is missing'],
  [
    'a reply that is not JSON',
    (response) => void response.writeHead(200, { ...JSON_TYPE, ...TRACE }).end('{'),
    VALID,
    'it must be object',
  ],
  ['a failure, though it is declared', refuse('internal_error'), VALID, 'the service failed: internal_error'],
  [
    'a failure in answer to nonsense',
    refuse('internal_error'),
    INVALID,
    'the service failed: internal_error',
  ],
  [
    'a 503 that is not declared',
    refuse('stopping', {}, { 'retry-after': '1' }),
    VALID,
    'the code stopping is not declared for 503',
  ],
  [
    'a 503 while nothing keeps the service from serving',
    refuse('overloaded', {}, { 'retry-after': '1' }),
    INVALID,
    'though there is nothing else to do',
  ],
  ['a 503 that does not say when', refuse('overloaded'), VALID, 'retry-after of a 503 is missing'],
  ['a 202 that does not say where', reply(202), VALID, 'location of a 202 is missing'],
  [
    'a code that is not declared',
    refuse('invalid_body', { code: 'email_taken' }),
    INVALID,
    'the code email_taken is not declared',
  ],
  [
    'a code that nobody knows',
    refuse('invalid_body', { code: 'hm' }),
    INVALID,
    'the code hm belongs to no status 422',
  ],
  [
    'a body with another status',
    refuse('invalid_body', { status: 400 }),
    INVALID,
    'the body speaks of another status',
  ],
  ['a refusal that is no problem', reply(422, { error: 'no' }), INVALID, 'the 422 is no problem+json'],
  ['nonsense that is taken', reply(200), INVALID, 'an invalid request is taken'],
  ['nonsense refused for something else', refuse('idempotency_key_reused'), INVALID, 'not with invalid_body'],
  [
    'a valid request that is refused',
    refuse('invalid_body'),
    VALID,
    'a valid request is refused with invalid_body',
  ],
  ['a repetition that is not said to be one', reply(200), AGAIN, 'is not said to be one'],
  [
    'a repetition with another answer',
    reply(200, { ...ACCOUNT, balance: 10 }, { 'idempotency-replayed': 'true' }),
    AGAIN,
    'answered otherwise than the first time',
  ],
  ['no answer', () => {}, VALID, 'it hangs'],
  [
    'half an answer',
    (response) => void response.writeHead(200, { 'content-length': '50' }).write('{'),
    VALID,
    'it hangs',
  ],
  ['a broken connection', (response) => void response.destroy(), VALID, 'the connection was closed'],
])('%s is found', async (_what, answer, expected, words) => {
  expect((await foundIn(answer, expected)).join('\n')).toContain(words);
});

test('a refusal by method that does not name those that are known is found', async () => {
  const stray = { stray: true, kind: 'hostile' } as const;
  const expected: Expectation = { is: 'refused', codes: ['method_not_allowed'] };
  expect(await foundIn(refuse('method_not_allowed'), expected, stray)).toEqual([
    'the header allow of a 405 is missing',
  ]);
  expect(await foundIn(refuse('method_not_allowed', {}, { allow: 'GET' }), expected, stray)).toEqual([]);
  expect(await foundIn(reply(200), expected, stray)).toEqual([
    'an invalid request is taken; it ought to be method_not_allowed',
  ]);
});
