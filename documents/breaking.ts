/**
 * What breaks those who rely on the documents of an earlier release.
 *
 * - Callers: a request that was taken is refused now, or a reply holds something that it could not hold before, or
 *   lacks something that was always there. A new field in a reply is not among it; nor is a new refusal, since every one
 *   is a problem with a `code`.
 * - Followers of a log refuse an event that does not match their own copy of its schema, and logs keep old events. So
 *   an event's schema stays as it is; another event may be added beside it.
 * - Followers of a topic find records by its name, group them by their key, and look for the headers that they know. More
 *   headers do no harm, nor does a topic, a server or a binding where there was none. How many partitions and copies there
 *   are, and for how long they are kept, is for each installation to say: the document tells what is so by default.
 */
import type { Content, OpenApi, Operation } from '@stream-processing/runtime/openapi.ts';
import type { AsyncApi, Channel } from './asyncapi.ts';
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
  return [...serverChanges(released, current), ...channelChanges(released, current)];
}

function serverChanges({ servers: before = {} }: Partial<AsyncApi>, { servers: now }: AsyncApi): string[] {
  return Object.entries(before).flatMap(([name, { protocol }]) => {
    if (!now[name]) return [`server ${name} is gone`];
    return now[name].protocol === protocol ? [] : [`server ${name} speaks ${now[name].protocol} now`];
  });
}

function channelChanges(released: AsyncApi, current: AsyncApi): string[] {
  return Object.entries(released.channels).flatMap(([name, channel]) => {
    const now = current.channels[name];
    if (!now) return [`channel ${name} is gone`];
    const moved =
      addressOf(now) === addressOf(channel) ? [] : [`channel ${name} is at ${addressOf(now)} now`];
    const unbound =
      channel.bindings && !now.bindings ? [`channel ${name} has no Kafka binding any more`] : [];
    const messages = Object.entries(channel.messages as Record<string, Parts>).flatMap(([type, before]) => {
      const message = (now.messages as Record<string, Parts>)[type];
      if (!message) return [`event ${type} is gone`];
      return [
        ...differences(before.headers, message.headers, `event ${type}, headers`),
        ...differences(before.payload, message.payload, `event ${type}, payload`),
        ...keyChanges(before, message, `event ${type}, key`),
      ];
    });
    return [...moved, ...unbound, ...messages];
  });
}

/** With what its parameters are where nobody sets them. */
function addressOf({ address, parameters = {} }: Channel): string {
  return address.replace(/\{(\w+)\}/g, (whole, name) => parameters[name]?.default ?? whole);
}

function differences(before: Schema, now: Schema, at: string): string[] {
  const found = [...narrowings(before, now, at), ...narrowings(now, before, at)];
  // Where more may be added, what is gone is no narrowing.
  return found.length > 0 ? found : removals(before, now, at);
}

function keyChanges({ bindings: before }: Parts, { bindings: now }: Parts, at: string): string[] {
  if (!before?.kafka.key) return [];
  return now?.kafka.key ? differences(before.kafka.key, now.kafka.key, at) : [`${at} is gone`];
}

interface Parts {
  headers: Schema;
  payload: Schema;
  bindings?: { kafka: { key?: Schema } };
}
