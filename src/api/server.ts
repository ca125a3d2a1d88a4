import fastifyRateLimit from '@fastify/rate-limit';
import fastifySwagger from '@fastify/swagger';
import { type FastifyInstance, fastify } from 'fastify';
import * as prometheus from 'prom-client';
import type { App } from '../daemon/app.js';
import type { Cycle } from '../daemon/loop.js';
import { adminRoutes } from './admin-routes.js';
import { createGuard, type GuardParts } from './guard.js';
import { createMetrics, metricsRoute } from './metrics.js';
import { pageRoute } from './page.js';
import { tokenRoutes } from './token-routes.js';
import { createView } from './view.js';

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
  }
}

/** Nothing that is asked for here has a body to speak of. */
const BODY_LIMIT = 1024;
/** Milliseconds that a request may take to arrive: it is one packet. */
const ARRIVAL = 10_000;
/** More connections are closed at once, so that files can still be opened. */
const CONNECTIONS = 512;

export async function buildApi(parts: ApiParts): Promise<Api> {
  const { app } = parts;
  const guard = createGuard(parts);
  const view = createView(app, parts.namespace);
  const metrics = createMetrics({ app, view, prometheus });
  const server = fastify({
    logger: false,
    bodyLimit: BODY_LIMIT,
    requestTimeout: ARRIVAL,
    keepAliveTimeout: ARRIVAL,
    forceCloseConnections: 'idle',
    frameworkErrors: (_error, _request, reply) => {
      // Before any hook: nothing of the address is said again.
      const body = { error: 'Bad request', message: 'the address is not a valid one' };
      reply.raw
        .writeHead(400, { 'content-type': 'application/json', 'cache-control': 'no-store' })
        .end(JSON.stringify(body));
    },
    routerOptions: { maxParamLength: 16_384 },
    http: { headersTimeout: ARRIVAL, connectionsCheckingInterval: 1000 },
    ajv: { customOptions: { coerceTypes: false } },
  });
  server.server.maxConnections = CONNECTIONS;

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
  // The route, never the address as it came: there is no telling what people put into it.
  server.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'unknown';
    metrics.request(request.method, route, reply.statusCode);
    app.log.info('API', `${request.method} ${route} ${reply.statusCode}`);
    done();
  });
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
    transform: ({ schema, url }) => ({ schema, url: url.replace('*', '{scope}') }),
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
      view.ended();
      metrics.cycle(cycle);
    },
  };
}
