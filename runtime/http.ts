/** The HTTP server of a service: what comes in is bounded and checked, what goes out has one form. */
import {
  createServer,
  METHODS as HTTP_METHODS,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
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
import { Connections } from './connections.ts';
import { parseExactly } from './json.ts';
import type { Metrics } from './metrics.ts';
import { complete, type OpenApi } from './openapi.ts';
import manifest from './package.json' with { type: 'json' };
import { refuseInFrontOf, refuseMalformed } from './refusals.ts';
import { isConnectionLoss, isUnfit } from './sql-errors.ts';
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
/** Of one connection, whose caller does not wait for replies: they stay in memory until it reads, up to 10 MB each. */
const PIPELINED_MAX = 16;
const REQUEST_MS_MAX = 15_000;
/** So much later it may be noticed. */
const LATE_MS_MAX = 5000;
/** How often a server that closes looks which connections have nothing under way any more. */
const CLOSING_LOOK_MS = 100;
/** Longer than a load balancer keeps a connection (60 s, mostly), so that none ends just as a request comes. */
const KEEP_ALIVE_MS = 72_000;

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
  const connections = new Connections();
  const isTooMuch = ({ method, url, socket }: IncomingMessage) =>
    !stopping() &&
    ((method === 'POST' && full()) ||
      connections.get(socket)!.inFlight >= PIPELINED_MAX ||
      (connections.inFlight > IN_FLIGHT_MAX && !url!.startsWith('/health/')));
  // One address for all services tells their documents apart by the name in front, without a gateway that rewrites paths.
  const documentsUnderName = new RegExp(`^/${service}(/(?:docs|openapi\\.json)(?:[/?].*)?)$`);
  const app: App = Fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    rewriteUrl: ({ url }) => url!.replace(documentsUnderName, '$1'),
    genReqId: (raw) => traceFor(raw.headers.traceparent),
    // A logger for each request cost 3 % of the time of an order: the few lines that speak of one name it themselves.
    childLoggerFactory: (parent) => parent,
    bodyLimit: BODY_MAX,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    // Of a path that is none, before any hook.
    frameworkErrors(error, request, reply) {
      reply.header('x-request-id', traceId(request.id));
      return sendProblem(asProblem(error), request, reply as FastifyReply);
    },
    clientErrorHandler: (error, socket) => refuseMalformed(error, socket, connections.get(socket)),
    serverFactory(handle) {
      const options = {
        keepAliveTimeout: KEEP_ALIVE_MS,
        // Where the one for headers is longer, as by default, Node takes each of the two for the other.
        headersTimeout: REQUEST_MS_MAX,
        requestTimeout: REQUEST_MS_MAX,
        connectionsCheckingInterval: LATE_MS_MAX,
        // Node's own refusal has no body; `watchRequests` refuses instead.
        requireHostHeader: false,
      };
      const listener = refuseInFrontOf(handle, isTooMuch, () => metrics.refusals.inc());
      const server = createServer(options, (request, response) => {
        connections.saw(request, response);
        listener(request, response);
      });
      server.on('connection', (socket) => connections.opened(socket));
      closeGently(server, connections);
      return server;
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
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    const problem = asProblem(error);
    if (problem.code === 'overloaded') metrics.refusals.inc();
    return sendProblem(problem, request, reply, error);
  });
  app.setNotFoundHandler((request, reply) => sendProblem(new Problem('route_not_found'), request, reply));

  watchRequests(app, connections, { logger, metrics, stopping });
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: service,
        description,
        version: manifest.version,
        license: { name: 'MIT', identifier: 'MIT' },
      },
      // Whoever reaches a port may do everything.
      security: [],
    },
    transform: ({ schema, url }) => ({ schema: withOptionalDefaults(schema), url }),
    transformObject: (made) =>
      complete((made as unknown as { openapiObject: OpenApi }).openapiObject) as object,
  });
  const paths = new Set<string>();
  app.addHook('onRoute', (route) => void paths.add(route.url));
  await app.register(fastifySwaggerUi, { routePrefix: '/docs', indexPrefix: `/${service}` });
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

function watchRequests(
  app: Pick<App, 'addHook'>,
  connections: Connections,
  { logger, metrics, stopping }: Pick<HttpOptions, 'logger' | 'metrics' | 'stopping'>,
) {
  metrics.gauge('http_requests_in_flight', 'Requests that came and are not answered yet.', [], (set) =>
    set(connections.inFlight),
  );
  app.addHook('onRequest', (request, reply, done) => {
    connections.began(request.raw.socket);
    reply.header('x-request-id', traceId(request.id));
    if (stopping()) return done(new Problem('stopping'));
    if (request.headers.host === undefined && request.raw.httpVersion === '1.1') {
      return done(new Problem('invalid_request', 'The header Host is missing.'));
    }
    done();
  });
  app.addHook('onSend', (_request, reply, _payload, done) => {
    // A kept connection would hold up the stop: its next request finds nobody.
    if (stopping()) reply.header('connection', 'close');
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    connections.ended(request.raw.socket);
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

/** What Node does once when a server closes, from then on again and again: what is under way ends, and then its connection. */
function closeGently(server: Server, connections: Connections): void {
  let closing: { since: number; timer: NodeJS.Timeout } | undefined;
  const look = () => connections.closeIdle(performance.now() - closing!.since > REQUEST_MS_MAX);
  server.closeIdleConnections = () => {
    closing ??= { since: performance.now(), timer: setInterval(look, CLOSING_LOOK_MS) };
    look();
  };
  server.once('close', () => clearInterval(closing?.timer));
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
  if (isConnectionLoss(error) || isUnfit(error))
    return new Problem('unavailable', undefined, { cause: error });
  return new Problem('internal_error', 'The service failed; its log tells why under this request id.');
}

function sendProblem(problem: Problem, request: FastifyRequest, reply: FastifyReply, cause?: Error) {
  // Refusals are counted instead: there may be thousands a second.
  if (problem.status >= 500 && problem.code !== 'overloaded') {
    const level = problem.code === 'internal_error' ? 'error' : 'warn';
    const about = { request_id: traceId(request.id), code: problem.code, url: request.url };
    request.log[level]({ err: cause ?? problem, ...about }, 'request failed');
  }
  if (problem.retry_after !== undefined) reply.header('retry-after', problem.retry_after);
  return reply.code(problem.status).type('application/problem+json').send(JSON.stringify(problem));
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function decodeUtf8(body: Buffer): string {
  try {
    return utf8.decode(body);
  } catch {
    throw new Problem('malformed_json', 'The body is not valid UTF-8.');
  }
}
