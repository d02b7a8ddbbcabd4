import { STATUS_CODES } from 'node:http';

/** As far as the services' documents use OpenAPI 3.1. */
export interface OpenApi {
  openapi: string;
  info: { title: string; description: string; version: string };
  paths: Record<string, Record<string, Operation>>;
  components?: { schemas?: Record<string, object>; headers?: Record<string, object> };
}

export interface Operation {
  operationId: string;
  parameters?: { name: string; in: string; required?: boolean; schema: object }[];
  requestBody?: { required?: boolean; content: Content };
  responses: Record<string, Response>;
}

interface Response {
  description: string;
  headers?: Record<string, object>;
  content?: Content;
}

export type Content = Record<string, { schema: object }>;

const HEADERS = {
  'X-Request-Id': {
    description: 'The trace id under which the service logs this request.',
    schema: { type: 'string', pattern: '^[0-9a-f]{32}$' },
  },
  'Retry-After': {
    description: 'Seconds after which the same request is worth repeating.',
    schema: { type: 'integer', minimum: 1 },
  },
  'Idempotency-Replayed': {
    description: 'There when the reply repeats an earlier one, under the same Idempotency-Key.',
    schema: { const: 'true' },
  },
  Location: { description: 'Path of the order.', schema: { type: 'string' } },
  'Preference-Applied': {
    description: 'What of `Prefer` was followed, where there was such a header.',
    schema: { type: 'string' },
  },
};

type HeaderName = keyof typeof HEADERS;

/**
 * Completes what the routes' schemas say: the headers that all replies have in common, and each schema that has a title
 * once, under `components`, so that a program made from the document knows it by that name.
 */
export function complete(document: OpenApi): OpenApi {
  const used = new Set<HeaderName>();
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, { responses }] of Object.entries(operations)) {
      for (const [status, response] of Object.entries(responses)) {
        if (response.description === 'Default Response') response.description = STATUS_CODES[status]!;
        const names = headersOf(method, path, Number(status));
        for (const name of names) used.add(name);
        response.headers = Object.fromEntries(
          names.map((name) => [name, { $ref: `#/components/headers/${name}` }]),
        );
      }
    }
  }
  const schemas: Record<string, object> = {};
  const paths = named(document.paths, schemas) as OpenApi['paths'];
  const headers = Object.fromEntries(
    Object.entries(HEADERS).filter(([name]) => used.has(name as HeaderName)),
  );
  return { ...document, paths, components: { schemas, headers } };
}

function headersOf(method: string, path: string, status: number): HeaderName[] {
  const names: HeaderName[] = ['X-Request-Id'];
  if (status === 503 || status === 202) names.push('Retry-After');
  if (method === 'post' && status < 500) names.push('Idempotency-Replayed');
  if (method === 'post' && path === '/orders' && status < 300) names.push('Location', 'Preference-Applied');
  return names;
}

/** A copy in which each schema with a title is a reference; the schemas themselves go to `schemas`. */
function named(value: unknown, schemas: Record<string, object>): unknown {
  if (Array.isArray(value)) return value.map((item) => named(item, schemas));
  if (typeof value !== 'object' || value === null) return value;
  const copy = Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, named(inner, schemas)]));
  const { title } = copy;
  if (typeof title !== 'string') return copy;
  const known = schemas[title];
  if (known && JSON.stringify(known) !== JSON.stringify(copy)) {
    throw new Error(`two schemas have the title ${title}`);
  }
  schemas[title] = copy;
  return { $ref: `#/components/schemas/${title}` };
}
