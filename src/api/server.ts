import fastifyRateLimit from '@fastify/rate-limit';
import fastifySwagger, { type SwaggerTransform } from '@fastify/swagger';
import { type FastifyInstance, fastify } from 'fastify';
import * as prometheus from 'prom-client';
import type { App } from '../daemon/app.js';
import type { Cycle } from '../daemon/loop.js';
import { adminRoutes } from './admin-routes.js';
import { boundConnections } from './connections.js';
import { createGuard, type GuardParts } from './guard.js';
import { createMetrics, metricsRoute } from './metrics.js';
import { pageRoute } from './page.js';
import { createRequestLog } from './request-log.js';
import { failure, type scopeParameter } from './schemas.js';
import { tokenRoutes } from './token-routes.js';
import { createViews } from './view.js';

export interface ApiParts extends GuardParts {
  readonly app: App;
  /** Before the keys of GET /api/tokens. */
  readonly namespace: string;
  readonly version: string;
  /** Whether Redis is connected; null where it is not configured. */
  readonly redis: () => boolean | null;
}

/** The HTTP API, built and not listening. */
export interface Api {
  readonly server: FastifyInstance;
  /** A cycle has ended: what is told from here on is new. */
  cycle(cycle: Cycle): void;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answered without a key. */
    open?: boolean;
    /** Asked every few seconds: only its failures are worth a line in the log. */
    polled?: boolean;
  }
}

/** Nothing that is asked for here has a body to speak of. */
const BODY_LIMIT = 1024;
/** Milliseconds that a request may take to arrive: it is one packet. */
const ARRIVAL = 10_000;
/** So that files can still be opened. */
const CONNECTIONS = 512;

export async function buildApi(parts: ApiParts): Promise<Api> {
  const { app } = parts;
  const guard = createGuard(parts);
  const view = createViews(app, parts.namespace);
  const metrics = createMetrics({ app, view, prometheus });
  const requests = createRequestLog((line) => app.log.info('API', line));
  // The route, never the address as it came: there is no telling what people put into it.
  const told = (method: string, route: string, status: number, polled: boolean): void => {
    metrics.request(method, route, status);
    if (polled && status < 400) app.log.debug('API', `${method} ${route} ${status}`);
    else requests.tell(`${method} ${route} ${status}`);
  };
  const server = fastify({
    logger: false,
    bodyLimit: BODY_LIMIT,
    requestTimeout: ARRIVAL,
    keepAliveTimeout: ARRIVAL,
    forceCloseConnections: 'idle',
    frameworkErrors: (_error, { method }, reply) => {
      // Before any hook: nothing of the address is said again.
      told(method, 'unknown', 400, false);
      const body = { error: 'Bad request', message: 'the address is not a valid one' };
      reply.raw
        .writeHead(400, { 'content-type': 'application/json', 'cache-control': 'no-store' })
        .end(JSON.stringify(body));
    },
    clientErrorHandler(error, socket) {
      if (socket.writable) socket.write(unreadable(error.code));
      socket.destroy();
    },
    routerOptions: { maxParamLength: 16_384 },
    // A request without a host is refused here, as every other is.
    http: { headersTimeout: ARRIVAL, connectionsCheckingInterval: 1000, requireHostHeader: false },
    ajv: { customOptions: { coerceTypes: false } },
  });
  boundConnections(server.server, CONNECTIONS);

  server.addHook('onRequest', (request, reply, done) => {
    reply.header('cache-control', 'no-store');
    reply.header('x-content-type-options', 'nosniff');
    const { host, origin, authorization } = request.headers;
    const stranger = guard.stranger(host, origin);
    if (stranger !== null) return void reply.code(403).send({ error: 'Forbidden', message: stranger });
    if (request.routeOptions.config.open !== true && !guard.knows(authorization)) {
      reply.header('www-authenticate', 'Bearer');
      const message = 'the key is in .token-refresher/api-key: Authorization: Bearer KEY';
      return void reply.code(401).send({ error: 'Unauthorized', message });
    }
    done();
  });
  server.addHook('onResponse', ({ method, routeOptions }, { statusCode }, done) => {
    told(method, routeOptions.url ?? 'unknown', statusCode, routeOptions.config.polled === true);
    done();
  });
  server.addHook('onClose', async () => requests.flush());
  server.setNotFoundHandler({}, (_request, reply) => {
    reply.code(404).send({ error: 'Not found', message: 'there is no such route; see /openapi.json' });
  });
  server.setErrorHandler((error: { statusCode?: number; message?: string }, _request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) app.log.error('API', `a request failed: ${error.message ?? 'for no known reason'}`);
    reply.code(status).send({ error: status >= 500 ? 'Internal server error' : (error.message ?? 'Bad request') });
  });
  server.removeAllContentTypeParsers();
  // Whatever comes with a request is read to its end, within bounds, and not looked at.
  server.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, _body, done) => done(null, undefined));

  await server.register(fastifyRateLimit, {
    global: false,
    // Whoever comes by a socket in the file system has no address.
    ...(parts.local && { keyGenerator: () => 'local' }),
    errorResponseBuilder: (_request, { after }) => ({
      statusCode: 429,
      message: `too many refreshes; again in ${after}`,
    }),
  });
  await server.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'mcp-token-refresher', version: parts.version },
      components: { securitySchemes: { key: { type: 'http', scheme: 'bearer' } } },
      security: [{ key: [] }],
    },
    transform: documented,
  });
  pageRoute(server, parts.key !== null);
  tokenRoutes(server, { app, view, redis: parts.redis });
  adminRoutes(server, { app, view });
  metricsRoute(server, metrics);
  server.get('/openapi.json', { schema: { hide: true } }, async () => server.swagger());
  await server.ready();
  return {
    server,
    cycle(cycle) {
      view.found(cycle);
      metrics.cycle(cycle);
    },
  };
}

/** What a request is answered that cannot be read as one, or does not come to its end. */
function unreadable(code: string | undefined): string {
  const [status, message] =
    code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? ['408 Request Timeout', 'the request did not arrive in time']
      : code === 'HPE_HEADER_OVERFLOW'
        ? ['431 Request Header Fields Too Large', 'the request is too long']
        : ['400 Bad Request', 'the request is not understood'];
  const body = JSON.stringify({ error: status.slice(4), message });
  const head = ['content-type: application/json', 'cache-control: no-store', `content-length: ${body.length}`];
  return `HTTP/1.1 ${status}\r\n${head.join('\r\n')}\r\nconnection: close\r\n\r\n${body}`;
}

/** A route as the document has it: with the name of what follows its path, and the refusals that all of them share. */
const documented: SwaggerTransform = ({ schema, url, route }) => {
  const { params, response, ...rest } = schema as { params?: typeof scopeParameter; response?: object };
  const open = route.config?.open === true;
  return {
    url: url.replace('*', '{scope}'),
    schema: {
      ...rest,
      ...(params && { params: { ...params, properties: { scope: params.properties['*'] } } }),
      ...(open && { security: [] }),
      response: { ...response, 400: failure, ...(!open && { 401: failure }), 403: failure },
    },
  };
};
