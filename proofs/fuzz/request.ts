import type { Operation } from './documents.ts';
import type { Known } from './known.ts';
import { readParameter } from './schema.ts';
import type { Reply } from './send.ts';

export const KINDS = ['valid', 'nearly valid', 'hostile'] as const;
export type Kind = (typeof KINDS)[number];

/**
 * `taken`: of a valid form, so it may be refused for what it asks, but not for how. `refused`: by one of these codes.
 * `open`: who sends such a thing can expect nothing in particular. `again`: the first reply to the same request.
 */
export type Expectation =
  | { is: 'taken' }
  | { is: 'refused'; codes: string[] }
  | { is: 'open' }
  | { is: 'again'; first: Reply };

export interface Request {
  kind: Kind;
  /** What is wrong with it, or special, in words. */
  what: string;
  method: string;
  /** Path and query as they are sent. */
  target: string;
  headers: [string, string][];
  body: Buffer | undefined;
  /** The body before it became bytes. */
  content?: unknown;
  expect: Expectation;
  /** It need not arrive at its operation: refusals of the protocol and of other routes are all right too. */
  stray: boolean;
}

/** A request before it is known which ids there are. */
export type Draft = (known: Known) => Request;

/** The parts of a request to an operation, each as far as possible as its schema has it. */
export interface Plan {
  path: Record<string, unknown>;
  query: [string, unknown][];
  headers: [string, string][];
  body: unknown;
}

/** As docs/errors.md has it. */
export const BODY_BYTES_MAX = 64 * 1024;
export const JSON_HEADER: [string, string] = ['content-type', 'application/json'];
const IS_JSON = /^application\/json *(;|$)/i;

/** The body as bytes; undefined: without one. */
export function bytesOf(content: unknown): Buffer | undefined {
  return content === undefined ? undefined : Buffer.from(JSON.stringify(content));
}

/** Path and query, encoded. What is not known yet is left out of a query, and is 1 in a path. */
export function targetOf(operation: Operation, { path, query }: Plan, known: Known): string {
  const encode = (value: unknown) => encodeURIComponent(String(value).toWellFormed());
  const place = operation.path.replace(/\{(\w+)\}/g, (_, name) => encode(known.fill(path[name]) ?? 1));
  const parts = query.map(([name, value]) => [name, known.fill(value)] as const);
  const told = parts.filter(([, value]) => value !== undefined);
  return told.length === 0
    ? place
    : `${place}?${told.map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&')}`;
}

/** What is expected of a request, judged by the document alone. */
export function expectationOf(
  operation: Operation,
  { target, headers, body }: Pick<Request, 'target' | 'headers' | 'body'>,
): Expectation {
  const codes = [
    ...faultsOfTarget(operation, target),
    ...faultsOfHeaders(operation, headers),
    ...faultsOfBody(operation, headers, body),
  ];
  return codes.length === 0 ? { is: 'taken' } : { is: 'refused', codes };
}

function faultsOfTarget({ path, parameters }: Operation, target: string): string[] {
  const [place = '', search = ''] = target.split('?');
  const names = path.split('/');
  const found = place.split('/').flatMap((segment, i) => {
    const parameter = parameters.find((each) => each.in === 'path' && names[i] === `{${each.name}}`);
    return parameter ? [parameter.check(readParameter(parameter.schema, decodeURIComponent(segment)))] : [];
  });
  const declared = parameters.filter((each) => each.in === 'query');
  const query = new URLSearchParams(search);
  for (const name of new Set(query.keys())) {
    const parameter = declared.find((each) => each.name === name);
    const [text = '', ...more] = query.getAll(name);
    // Where no query is described, none is looked at.
    if (!parameter) found.push(declared.length > 0 ? `${name} is unknown` : undefined);
    else if (more.length > 0) found.push(`${name} is there twice`);
    else found.push(parameter.check(readParameter(parameter.schema, text)));
  }
  const missing = declared.some((each) => each.required && !query.has(each.name));
  return missing || found.some((fault) => fault !== undefined) ? ['invalid_parameter'] : [];
}

function faultsOfHeaders({ parameters }: Operation, headers: [string, string][]): string[] {
  const faulty = parameters
    .filter((each) => each.in === 'header')
    .some(({ name, check }) => {
      const told = headers.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
      // RFC 9110, section 5.3: the same as one with a list of values.
      return told.length > 0 && check(told.join(', ')) !== undefined;
    });
  return faulty ? ['invalid_header'] : [];
}

function faultsOfBody(
  { body: described }: Operation,
  headers: [string, string][],
  body: Buffer | undefined,
): string[] {
  if (!described) return [];
  if (!body) return ['invalid_body', 'malformed_json'];
  const type = headers.find(([name]) => name.toLowerCase() === 'content-type')?.[1] ?? '';
  if (!IS_JSON.test(type)) return ['unsupported_media_type'];
  if (body.length > BODY_BYTES_MAX) return ['body_too_large'];
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
    return described.check(value) === undefined ? [] : ['invalid_body'];
  } catch {
    return ['malformed_json'];
  }
}
