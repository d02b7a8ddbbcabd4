import { PROBLEMS, type ProblemCode } from '@stream-processing/contracts/problems.ts';
import type { DeclaredReply, Operation } from './documents.ts';
import type { Request } from './request.ts';
import type { Check } from './schema.ts';
import type { NoReply, Reply } from './send.ts';

/** Refusals of a request's form, which no request of a valid form may get. */
const OF_FORM: ReadonlySet<string> = new Set([
  'malformed_json',
  'invalid_request',
  'invalid_parameter',
  'invalid_header',
  'route_not_found',
  'method_not_allowed',
  'request_timeout',
  'body_too_large',
  'unsupported_media_type',
  'invalid_body',
  'headers_too_large',
]);

/** What is wrong with the reply to a request, in words; `problem` is the form of all refusals. */
export function judge(
  operation: Operation,
  request: Request,
  reply: Reply | NoReply,
  problem: Check,
): string[] {
  if ('lost' in reply) {
    return [reply.lost === 'hanging' ? `it hangs: ${reply.why}` : `the connection was closed: ${reply.why}`];
  }
  const { status, headers } = reply;
  const declared = operation.replies.get(status);
  const broken = brokenHeaders(reply);
  if (!/^[0-9a-f]{32}$/.test(headers['x-request-id'] ?? '') && !request.stray) {
    broken.push('the header X-Request-Id is missing');
  }
  if (!declared && !request.stray) broken.push(`the status ${status} is not declared`);
  if (request.method === 'HEAD') return broken;
  const body = parsed(reply);
  if (status >= 400)
    broken.push(...brokenProblem(reply, body, request.stray ? undefined : declared, problem));
  else if (declared) broken.push(...brokenBody(reply, body, declared));
  return [...broken, ...disappointed(request, reply, codeOf(body))];
}

function brokenHeaders({ status, headers, body }: Reply): string[] {
  const missing = (name: string) => (headers[name] ? [] : [`the header ${name} of a ${status} is missing`]);
  const length = headers['content-length'];
  return [
    ...(status === 202 ? ['location', 'retry-after'].flatMap(missing) : []),
    ...(status === 405 ? missing('allow') : []),
    ...(status === 408 || status === 503 ? missing('retry-after') : []),
    ...(length !== undefined && body.length > 0 && Number(length) !== body.length
      ? [`Content-Length is ${length}, but ${body.length} bytes came`]
      : []),
  ];
}

function brokenBody({ headers }: Reply, body: unknown, { contentType, check }: DeclaredReply): string[] {
  const wrong = check(body);
  return [
    ...brokenType(headers, contentType),
    ...(wrong === undefined ? [] : [`the body is not as its schema says: ${wrong}`]),
  ];
}

function brokenProblem(
  { status, headers }: Reply,
  body: unknown,
  declared: DeclaredReply | undefined,
  problem: Check,
): string[] {
  const wrong = problem(body);
  if (wrong !== undefined) return [`the ${status} is no problem+json: ${wrong}`];
  const code = codeOf(body)!;
  const broken = brokenType(headers, 'application/problem+json');
  const known = PROBLEMS[code as ProblemCode] as { status: number } | undefined;
  if (known?.status !== status) broken.push(`the code ${code} belongs to no status ${status}`);
  if ((body as { status: unknown }).status !== status) broken.push(`the body speaks of another status`);
  if (status >= 500 && status !== 503) broken.push(`the service failed: ${code}`);
  else if (declared && !declared.codes.includes(code))
    broken.push(`the code ${code} is not declared for ${status}`);
  return broken;
}

function brokenType(headers: Record<string, string>, expected: string): string[] {
  const told = headers['content-type'] ?? 'none';
  return told === expected || told === `${expected}; charset=utf-8`
    ? []
    : [`the content type is ${told}, not ${expected}`];
}

function disappointed({ expect }: Request, reply: Reply, code: string | undefined): string[] {
  // A slow moment of the machine, at most: nothing else goes on that could keep a service from serving.
  if (reply.status === 503)
    return code === 'not_fresh' ? [] : [`it is refused with ${code}, though there is nothing else to do`];
  switch (expect.is) {
    case 'open':
      return [];
    case 'taken':
      return code !== undefined && OF_FORM.has(code) ? [`a valid request is refused with ${code}`] : [];
    case 'refused': {
      if (code === undefined)
        return [`an invalid request is taken; it ought to be ${expect.codes.join(' or ')}`];
      return expect.codes.includes(code)
        ? []
        : [`it is refused with ${code}, not with ${expect.codes.join(' or ')}`];
    }
    case 'again': {
      if (reply.headers['idempotency-replayed'] !== 'true') return ['a repetition is not said to be one'];
      // A pending order may have become final.
      if (expect.first.status === 202) return [];
      const isSame = reply.status === expect.first.status && reply.body.equals(expect.first.body);
      return isSame ? [] : [`a repetition is answered otherwise than the first time: ${expect.first.body}`];
    }
  }
}

function parsed({ body }: Reply): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}

function codeOf(body: unknown): string | undefined {
  const { code } = (body ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}
