/**
 * What breaks those who rely on the documents of an earlier release.
 *
 * - Callers: a request that was taken is refused now, or a reply holds something that it could not hold before, or
 *   lacks something that was always there. A new field in a reply is not among it; nor is a new refusal, since every one
 *   is a problem with a `code`.
 * - Followers of a log refuse an event that does not match their own copy of its schema, and logs are kept for ever. So
 *   an event's schema stays as it is; another event may be added beside it.
 */
import type { Content, OpenApi, Operation } from '@stream-processing/runtime/openapi.ts';
import type { AsyncApi } from './asyncapi.ts';
import type { Documents } from './files.ts';
import { narrowings, removals, type Schema } from './narrowings.ts';
import { inlined } from './references.ts';

export function breakingChanges(released: Documents, current: Documents): string[] {
  return [
    ...Object.entries(released.openapi).flatMap(([service, document]) => {
      const now = current.openapi[service as keyof Documents['openapi']];
      return now ? openApiChanges(inlined(document), inlined(now)) : [`${service} is gone`];
    }),
    ...asyncApiChanges(inlined(released.asyncapi), inlined(current.asyncapi)),
  ];
}

/** As semantic versioning has it: the first number that is not zero has moved. */
export function allowsBreaking(released: string, current: string): boolean {
  const [from, to] = [released, current].map((version) => version.split('.').map(Number));
  const first = from!.findIndex((part) => part > 0);
  const leading = from!.slice(0, first + 1).map((part, i) => to![i]! - part);
  return (leading.find((difference) => difference !== 0) ?? 0) > 0;
}

export function openApiChanges(released: OpenApi, current: OpenApi): string[] {
  return Object.entries(released.paths).flatMap(([path, operations]) =>
    Object.entries(operations).flatMap(([method, before]) => {
      const name = `${method.toUpperCase()} ${path}`;
      const now = current.paths[path]?.[method];
      if (!now) return [`${name} is gone`];
      const changes = [
        ...parameterChanges(before, now),
        ...bodyChanges(before, now),
        ...replyChanges(before, now),
      ];
      return changes.map((change) => `${name}: ${change}`);
    }),
  );
}

function parameterChanges(before: Operation, now: Operation): string[] {
  const key = (parameter: { in: string; name: string }) => `${parameter.in} parameter ${parameter.name}`;
  const old = new Map((before.parameters ?? []).map((each) => [key(each), each]));
  const fresh = new Map((now.parameters ?? []).map((each) => [key(each), each]));
  const gone = [...old.keys()].filter((name) => !fresh.has(name)).map((name) => `${name} is gone`);
  const changed = [...fresh].flatMap(([name, parameter]) => {
    const known = old.get(name);
    const required = parameter.required && !known?.required ? [`${name} is required now`] : [];
    return known ? [...required, ...narrowings(known.schema, parameter.schema, name)] : required;
  });
  return [...gone, ...changed];
}

function bodyChanges({ requestBody: before }: Operation, { requestBody: now }: Operation): string[] {
  if (!now) return before ? ['the request has no body any more'] : [];
  if (!before) return now.required ? ['the request must have a body now'] : [];
  const required = now.required && !before.required ? ['the request must have a body now'] : [];
  return [
    ...required,
    ...contentChanges(before.content, now.content, 'request', (a, b, at) => narrowings(a, b, at)),
  ];
}

function replyChanges({ responses: before }: Operation, { responses: now }: Operation): string[] {
  const isSuccess = (status: string) => Number(status) < 400;
  const other = Object.keys(now).filter((status) => isSuccess(status) && !before[status]);
  const kept = Object.entries(before).flatMap(([status, response]) => {
    const reply = now[status];
    if (!reply) return isSuccess(status) ? [`the reply ${status} is gone`] : [];
    return contentChanges(response.content, reply.content, `reply ${status}`, (a, b, at) => [
      ...narrowings(b, a, at, { ignoreUnknown: true }),
      ...removals(a, b, at),
    ]);
  });
  return [...other.map((status) => `there is another reply, ${status}`), ...kept];
}

function contentChanges(
  before: Content = {},
  now: Content = {},
  at: string,
  compare: (before: Schema, now: Schema, at: string) => string[],
): string[] {
  return Object.entries(before).flatMap(([type, { schema }]) => {
    const found = now[type];
    return found ? compare(schema, found.schema, at) : [`${at} as ${type} is gone`];
  });
}

export function asyncApiChanges(released: AsyncApi, current: AsyncApi): string[] {
  return Object.entries(released.channels).flatMap(([name, channel]) => {
    const now = current.channels[name];
    if (!now) return [`channel ${name} is gone`];
    const moved = now.address === channel.address ? [] : [`channel ${name} is at ${now.address} now`];
    const messages = Object.entries(channel.messages as Record<string, Parts>).flatMap(([type, before]) => {
      const message = (now.messages as Record<string, Parts>)[type];
      if (!message) return [`event ${type} is gone`];
      return (['headers', 'payload'] as const).flatMap((part) => {
        const at = `event ${type}, ${part}`;
        return [
          ...narrowings(before[part], message[part], at),
          ...narrowings(message[part], before[part], at),
        ];
      });
    });
    return [...moved, ...messages];
  });
}

type Parts = Record<'headers' | 'payload', Schema>;
