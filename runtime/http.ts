import { METHODS as HTTP_METHODS, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import fastifySwagger from '@fastify/swagger';
import fastifySwaggerUi from '@fastify/swagger-ui';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import { Problem } from '@stream-processing/contracts/problems.ts';
import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifySchema,
  LogController,
  type RawServerDefault,
} from 'fastify';
import type { Logger } from 'pino';
import { parseExactly } from './json.ts';
import type { Metrics } from './metrics.ts';
import manifest from './package.json' with { type: 'json' };
import { isConnectionLoss } from './sql-errors.ts';
import { traceFor, traceId } from './trace.ts';
import { createValidatorCompiler, invalid } from './validation.ts';

export interface HttpOptions {
  service: string;
  description: string;
  logger: Logger;
  metrics: Metrics;
  stopping: () => boolean;
  /** Has it so much to write already that it is better to refuse at once? */
  full: () => boolean;
  /** Rejects while the service should get no traffic. */
  ready: () => Promise<void>;
}

const BODY_MAX = 64 * 1024;
const IN_FLIGHT_MAX = 10_000;
const REQUEST_MS_MAX = 15_000;
/** So much later it may be noticed. */
const LATE_MS_MAX = 5000;

export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  Logger,
  TypeBoxTypeProvider
>;

/** All that Node reads; CONNECT asks a proxy for a tunnel and has no path. */
const METHODS = HTTP_METHODS.filter((method) => method !== 'CONNECT');

/** A Fastify app with everything that the four services have in common; each adds its own routes. */
export async function createHttp({
  service,
  description,
  logger,
  metrics,
  stopping,
  full,
  ready,
}: HttpOptions) {
  const app: App = Fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    genReqId: (raw) => traceFor(raw.headers.traceparent),
    // A logger for each request cost 3 % of the time of an order: the few lines that speak of one name it themselves.
    childLoggerFactory: (parent) => parent,
    bodyLimit: BODY_MAX,
    requestTimeout: REQUEST_MS_MAX,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    frameworkErrors: (error, request, reply) => sendProblem(asProblem(error), request, reply as FastifyReply),
    clientErrorHandler: refuseMalformedHttp,
    http: {
      // Where the one for headers is longer, as by default, Node takes each of the two for the other.
      headersTimeout: REQUEST_MS_MAX,
      requestTimeout: REQUEST_MS_MAX,
      connectionsCheckingInterval: LATE_MS_MAX,
      // Node's own refusal has no body; `watchRequests` refuses instead.
      requireHostHeader: false,
    },
  }).withTypeProvider<TypeBoxTypeProvider>();
  // What a caller expects beside 100-continue is passed over (RFC 9110, 10.1.1); Node's own refusal has no body.
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response));
  for (const method of METHODS.filter((each) => !app.supportedMethods.includes(each)))
    app.addHttpMethod(method);

  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseExactly(decodeUtf8(body as Buffer)));
    } catch (error) {
      done(error as Error);
    }
  });
  app.setValidatorCompiler(createValidatorCompiler());
  // JSON.stringify knows raw literals, which money above 2^46 needs; the schemas of replies serve the documents.
  app.setSerializerCompiler(() => (reply) => JSON.stringify(reply));
  app.setErrorHandler<FastifyError>((error, request, reply) =>
    sendProblem(asProblem(error), request, reply, error),
  );
  app.setNotFoundHandler((request, reply) => sendProblem(new Problem('route_not_found'), request, reply));

  watchRequests(app, { logger, metrics, stopping, full });
  await app.register(fastifySwagger, {
    openapi: { openapi: '3.1.0', info: { title: service, description, version: manifest.version } },
    transform: ({ schema, url }) => ({ schema: withOptionalDefaults(schema), url }),
  });
  const paths = new Set<string>();
  app.addHook('onRoute', (route) => void paths.add(route.url));
  await app.register(fastifySwaggerUi, { routePrefix: '/docs' });
  const hidden = { schema: { hide: true } };
  app.get('/', hidden, (_request, reply) => reply.redirect('/docs'));
  app.get('/openapi.json', hidden, () => app.swagger());
  app.get('/metrics', hidden, async (_request, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  );
  app.get('/health/live', hidden, () => ({ status: 'live' }));
  app.get('/health/ready', hidden, async () => {
    await ready();
    return { status: 'ready' };
  });
  // Not the app alone: it is thenable, and an async function that returned it would boot it before its routes are there.
  return { app, refuseOtherMethods: () => refuseOtherMethods(app, paths) };
}

/** What has a default is always there behind validation, but a caller may leave it out. */
function withOptionalDefaults(schema: FastifySchema): FastifySchema {
  const query = schema?.querystring as
    | { required?: string[]; properties: Record<string, object> }
    | undefined;
  if (!query?.required) return schema;
  const required = query.required.filter((name) => !('default' in query.properties[name]!));
  return { ...schema, querystring: { ...query, required } };
}

/** Answers 405 with `Allow` on every path for the methods that it lacks. */
function refuseOtherMethods(app: App, paths: Set<string>): void {
  for (const url of [...paths]) {
    const known = METHODS.filter((method) => app.hasRoute({ url, method }));
    app.route({
      method: METHODS.filter((method) => !known.includes(method)),
      url,
      schema: { hide: true },
      // Before the body is read: it does not matter what was sent.
      onRequest: (_request, reply, done) => {
        reply.header('allow', known.join(', '));
        done(new Problem('method_not_allowed'));
      },
      handler: () => {},
    });
  }
}

const OVERLOADED = new Problem('overloaded');
const OVERLOADED_BODY = JSON.stringify(OVERLOADED);

/** Answered at once, past the rest of Fastify and before the body is read: refusals come by the thousand a second. */
function refuse(request: FastifyRequest, reply: FastifyReply): void {
  reply.hijack();
  reply.raw
    .writeHead(OVERLOADED.status, {
      'content-type': 'application/problem+json',
      'content-length': Buffer.byteLength(OVERLOADED_BODY),
      'retry-after': String(OVERLOADED.retry_after),
      'x-request-id': traceId(request.id),
    })
    .end(OVERLOADED_BODY);
}

/** A hook for a route that can have too much to do by itself. */
export function refuseWhile(full: () => boolean) {
  return (request: FastifyRequest, reply: FastifyReply, done: () => void) =>
    full() ? refuse(request, reply) : done();
}

function watchRequests(
  app: Pick<App, 'addHook'>,
  { logger, metrics, stopping, full }: Pick<HttpOptions, 'logger' | 'metrics' | 'stopping' | 'full'>,
) {
  let inFlight = 0;
  metrics.gauge('http_requests_in_flight', 'Requests that came and are not answered yet.', [], (set) =>
    set(inFlight),
  );
  app.addHook('onRequest', (request, reply, done) => {
    inFlight += 1;
    const connection = connectionOf(request.raw.socket, (lost) => {
      inFlight -= lost;
    });
    connection.inFlight += 1;
    connection.newest = reply;
    reply.header('x-request-id', traceId(request.id));
    if (stopping()) return done(new Problem('stopping'));
    if (request.headers.host === undefined && request.raw.httpVersion === '1.1') {
      return done(new Problem('invalid_request', 'The header Host is missing.'));
    }
    const tooMany = inFlight > IN_FLIGHT_MAX && !request.url.startsWith('/health/');
    if (tooMany || (request.method === 'POST' && full())) return refuse(request, reply);
    done();
  });
  app.addHook('onSend', (_request, reply, _payload, done) => {
    // A kept connection would hold up the stop: its next request finds nobody.
    if (stopping()) reply.header('connection', 'close');
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    const connection = connections.get(request.raw.socket);
    if (connection && connection.inFlight > 0) {
      connection.inFlight -= 1;
      inFlight -= 1;
    }
    const labels = {
      route: request.routeOptions.url ?? 'unknown',
      method: request.method,
      status: String(reply.statusCode),
    };
    metrics.requests.observe(labels, reply.elapsedTime / 1000);
    if (logger.isLevelEnabled('debug')) {
      const ms = reply.elapsedTime;
      logger.debug({ request_id: traceId(request.id), ...labels, url: request.url, ms }, 'request answered');
    }
    done();
  });
}

function asProblem(error: FastifyError | Error): Problem {
  if (error instanceof Problem) return error;
  if ('validation' in error && error.validation) return invalid(error.validationContext, error.validation);
  const code = 'code' in error ? String(error.code) : '';
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return new Problem('unsupported_media_type');
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return new Problem('body_too_large', `At most ${BODY_MAX} bytes.`);
  if ('statusCode' in error && typeof error.statusCode === 'number' && error.statusCode < 500) {
    return new Problem('invalid_request', error.message);
  }
  if (isConnectionLoss(error)) return new Problem('unavailable');
  return new Problem('internal_error', 'The service failed; its log tells why under this request id.');
}

function sendProblem(problem: Problem, request: FastifyRequest, reply: FastifyReply, cause?: Error) {
  if (problem.status >= 500) {
    const level = problem.code === 'internal_error' ? 'error' : 'warn';
    const about = { request_id: traceId(request.id), code: problem.code, url: request.url };
    request.log[level]({ err: cause ?? problem, ...about }, 'request failed');
  }
  if (problem.retry_after !== undefined) reply.header('retry-after', problem.retry_after);
  return reply.code(problem.status).type('application/problem+json').send(JSON.stringify(problem));
}

interface Connection {
  /** Requests that are not answered yet; several where a caller does not wait. */
  inFlight: number;
  /** The newest request, and what it is answered by. */
  newest?: Pick<FastifyReply, 'request' | 'raw'>;
}

const connections = new WeakMap<Socket, Connection>();

/** `onLost` is told how many requests a connection took along: Fastify ends none that nobody is there to be answered. */
function connectionOf(socket: Socket, onLost: (requests: number) => void): Connection {
  const known = connections.get(socket);
  if (known) return known;
  const connection: Connection = { inFlight: 0 };
  connections.set(socket, connection);
  socket.once('close', () => {
    onLost(connection.inFlight);
    connection.inFlight = 0;
  });
  return connection;
}

/** What never became a whole request: Node's parser or a time-out refused it. */
function refuseMalformedHttp(error: Error & { code?: string }, socket: Socket): void {
  const { newest: last, inFlight = 0 } = connections.get(socket) ?? {};
  const isWhole = last === undefined || last.request.raw.complete;
  // A second answer would be taken for that to the next request, one that overtakes for that to another request.
  const isAnswered = last?.raw.headersSent && !isWhole;
  const overtakes = inFlight > (isWhole ? 0 : 1);
  if (overtakes && isWhole && socket.writable) {
    return void last!.raw.once('finish', () => refuseMalformedHttp(error, socket));
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
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function decodeUtf8(body: Buffer): string {
  try {
    return utf8.decode(body);
  } catch {
    throw new Problem('malformed_json', 'The body is not valid UTF-8.');
  }
}
