import { randomUUID } from 'node:crypto';

/** W3C Trace Context, version 00. All-zero ids are invalid. */
const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})$/;

/**
 * The `traceparent` under which a request's effects travel: the caller's trace with a span of our own, or a new
 * trace. It goes with the events, so that one id finds an order in the logs of all four services.
 */
export function traceFor(header: string | string[] | undefined): string {
  const found = typeof header === 'string' ? TRACEPARENT.exec(header) : null;
  const span = randomUUID().slice(0, 18).replaceAll('-', '');
  return `00-${found?.[1] ?? randomUUID().replaceAll('-', '')}-${span}-${found?.[2] ?? '00'}`;
}

/** The part that stays the same from service to service. */
export function traceId(traceparent: string): string {
  return traceparent.slice(3, 35);
}
