import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import type { Urls } from '../../bench/installation.ts';
import { inlined } from '../../documents/references.ts';
import { type Check, compile, type Schema } from './schema.ts';

export interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header';
  required: boolean;
  schema: Schema;
  check: Check;
}

export interface DeclaredReply {
  contentType: string;
  check: Check;
  /** The problem codes that its description names; a success has none. */
  codes: string[];
}

export interface Operation {
  service: ServiceName;
  url: string;
  /** `POST /orders` */
  name: string;
  method: string;
  path: string;
  parameters: Parameter[];
  body: { schema: Schema; check: Check } | undefined;
  replies: Map<number, DeclaredReply>;
}

interface OpenApi {
  paths: Record<
    string,
    Record<
      string,
      {
        parameters?: (Omit<Parameter, 'check'> & { required?: boolean })[];
        requestBody?: { content: Record<string, { schema: Schema }> };
        responses: Record<string, { description: string; content: Record<string, { schema: Schema }> }>;
      }
    >
  >;
}

/** Every operation of every service, as the running services describe themselves. */
export async function readDocuments(urls: Urls): Promise<Operation[]> {
  const all = await Promise.all(
    SERVICES.map(async (service) => {
      const response = await fetch(`${urls[service]}/openapi.json`);
      if (!response.ok) throw new Error(`${urls[service]}/openapi.json is answered ${response.status}`);
      return operationsOf(service, urls[service], inlined((await response.json()) as OpenApi));
    }),
  );
  return all.flat();
}

export function operationsOf(service: ServiceName, url: string, { paths }: OpenApi): Operation[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], requestBody, responses }]) => {
      const body = requestBody?.content['application/json']?.schema;
      return {
        service,
        url,
        name: `${method.toUpperCase()} ${path}`,
        method: method.toUpperCase(),
        path,
        parameters: parameters.map((parameter) => ({
          ...parameter,
          required: parameter.required ?? false,
          check: compile(parameter.schema),
        })),
        body: body && { schema: body, check: compile(body) },
        replies: new Map(
          Object.entries(responses).map(([status, { description, content }]) => {
            const [[contentType, { schema }] = noContent(path, status)] = Object.entries(content ?? {});
            const codes = [...description.matchAll(/`(\w+)`:/g)].map(([, code]) => code!);
            return [Number(status), { contentType, check: compile(schema), codes }];
          }),
        ),
      };
    }),
  );
}

function noContent(path: string, status: string): never {
  throw new Error(`the document of ${path} does not say what a reply ${status} holds`);
}
