/** What is answered past Fastify: by the thousand a second, or before there is a request. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Problem } from '@stream-processing/contracts/problems.ts';
import type { Connection } from './connections.ts';
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

/** What never became a whole request: Node's parser or a time-out refused it. `connection`: where an earlier request came. */
export function refuseMalformed(
  error: Error & { code?: string },
  socket: Socket,
  connection: Connection | undefined,
): void {
  const { newest, inFlight = 0 } = connection ?? {};
  const isWhole = newest === undefined || newest.request.complete;
  // A second answer would be taken for that to the next request, one that overtakes for that to another request.
  const isAnswered = newest?.response.headersSent && !isWhole;
  const overtakes = inFlight > (isWhole ? 0 : 1);
  if (overtakes && isWhole && socket.writable) {
    return void newest!.response.once('finish', () => refuseMalformed(error, socket, connection));
  }
  if (error.code === 'ECONNRESET' || !socket.writable || isAnswered || overtakes)
    return void socket.destroy();
  const problem = new Problem(
    error.code === 'HPE_HEADER_OVERFLOW'
      ? 'headers_too_large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? 'request_timeout'
        : 'invalid_request',
  );
  const body = JSON.stringify(problem);
  socket.end(
    `HTTP/1.1 ${problem.status} ${problem.status}\r\nContent-Type: application/problem+json\r\n` +
      (problem.retry_after === undefined ? '' : `Retry-After: ${problem.retry_after}\r\n`) +
      `X-Request-Id: ${traceId(traceFor(undefined))}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
