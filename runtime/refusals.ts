import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { Problem } from '@stream-processing/contracts/problems.ts';
import { traceFor, traceId } from './trace.ts';

const OVERLOADED = new Problem('overloaded');
const BODY = JSON.stringify(OVERLOADED);
// Name, value, name, value: Node writes such a list as it is.
const HEADERS = [
  ...['content-type', 'application/problem+json'],
  ...['content-length', String(Buffer.byteLength(BODY))],
  ...['retry-after', String(OVERLOADED.retry_after)],
];

/**
 * In front of `handler`: answers `overloaded` where `isTooMuch`, before the body is read. With too much to do, refusals
 * come by the thousand a second; a framework's way for each would leave no time for what was accepted.
 */
export function refuseInFrontOf(
  handler: RequestListener,
  isTooMuch: (request: IncomingMessage) => boolean,
  onRefusal: () => void,
): RequestListener {
  return (request, response) => {
    if (!isTooMuch(request)) return handler(request, response);
    onRefusal();
    refuse(request, response);
  };
}

function refuse(request: IncomingMessage, response: ServerResponse): void {
  const id = traceId(traceFor(request.headers.traceparent));
  response.writeHead(OVERLOADED.status, [...HEADERS, 'x-request-id', id]).end(BODY);
}
