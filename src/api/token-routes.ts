import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { App } from '../daemon/app.js';
import { freshen } from '../daemon/fresh-token.js';
import { scopeOf } from '../ground/board.js';
import { isRecipe } from '../ground/recipe.js';
import type { World } from '../work/load.js';
import type { Surveyed } from '../work/survey.js';
import { type PageQuery, pageOf } from './page-of.js';
import * as schemas from './schemas.js';
import type { Views } from './view.js';

export interface TokenRouteParts {
  readonly app: App;
  readonly view: Views;
  /** Whether Redis is connected; null where it is not configured. */
  readonly redis: () => boolean | null;
}

interface Asked {
  Params: { '*': string };
  Querystring: { user_id?: string };
}

/** `/api/tokens`: tokens for programs. */
export function tokenRoutes(api: FastifyInstance, { app, view, redis }: TokenRouteParts): void {
  const { clock } = app;
  const missing = { 404: schemas.failure };

  const find = (request: FastifyRequest<Asked>): { asked: string; found: Surveyed | null } => {
    const asked = request.params['*'];
    return { asked, found: view.now().find(asked, request.query.user_id || null) };
  };

  const listSchema = {
    summary: 'List tokens',
    querystring: schemas.pageParameters,
    response: { 200: schemas.tokenList, 400: schemas.failure },
  };
  api.get<{ Querystring: PageQuery }>('/api/tokens', { schema: listSchema }, async ({ query }) => {
    const board = view.now().board();
    const page = pageOf(board, query);
    const tokens = page.items.map(({ scope, expiresOn, storedAt, refreshCount, userId, key }) => ({
      scope,
      expires_on: expiresOn,
      stored_at: storedAt,
      refresh_count: refreshCount,
      ...(userId !== null && { user_id: userId }),
      key,
    }));
    return { count: board.length, tokens, ...(page.next !== null && { next_offset: page.next }) };
  });

  const healthSchema = { summary: 'Health; no key is needed', response: { 200: schemas.health, 503: schemas.health } };
  api.get(
    '/api/tokens/health',
    { schema: healthSchema, config: { open: true, polled: true } },
    async (_request, reply) => {
      const connected = redis();
      const healthy = connected !== false;
      reply.code(healthy ? 200 : 503);
      return {
        status: healthy ? 'healthy' : 'unhealthy',
        redis_connected: connected === true,
        active_token_count: view.now().board().length,
        timestamp: Math.floor(clock.now()),
      };
    },
  );

  const tokenSchema = {
    summary: 'A valid token',
    params: schemas.scopeParameter,
    querystring: schemas.userParameter,
    response: { 200: schemas.tokenAnswer, ...missing },
  };
  api.get<Asked>('/api/tokens/*', { schema: tokenSchema }, async (request, reply) => {
    const { asked, found } = find(request);
    if (!found) return notFound(reply, asked);
    // What the last cycle saw is good while its time has not come: the daemon looks again at every change.
    const due = found.plan.refresh || (found.plan.at !== null && found.plan.at <= clock.now());
    const usable = found.token.rendered && (found.expiresAt === null || found.expiresAt > clock.now());
    if (usable && !due && found.token.rendered) return answer(found, found.token.rendered.reveal());
    const now = await view.again(found);
    if (!now) return notFound(reply, asked);
    const fresh = await freshen(app, now, view.now().world);
    await view.again(now);
    return fresh.access ? answer(fresh.surveyed, fresh.access.reveal()) : notFound(reply, asked);
  });

  const refreshSchema = {
    summary: 'Refresh a token now',
    params: schemas.scopeParameter,
    querystring: schemas.userParameter,
    response: { 200: schemas.refreshed, ...missing, 429: schemas.failure, 502: schemas.failure },
  };
  const limited = { config: { rateLimit: REFRESHES } };
  api.post<Asked>('/api/tokens/refresh/*', { schema: refreshSchema, ...limited }, async (request, reply) => {
    const { asked, found } = find(request);
    // What has been refreshed since the last cycle would otherwise be taken for what is asked for now.
    const now = found ? await view.again(found) : view.anew().find(asked, request.query.user_id || null);
    if (!now) return notFound(reply, asked);
    const trouble = await refreshNow(app, view.now().world, now);
    await view.again(now);
    if (trouble === null) return { status: 'success', message: `Token refreshed for scope: ${asked}`, scope: asked };
    reply.code(502);
    return { error: 'Token refresh failed', message: trouble, scope: asked };
  });
}

/** For each address; a person needs no more, and a program that does is in a loop. */
export const REFRESHES = { max: 60, timeWindow: 60_000 };

/** Refreshes one token as a person asks for it; why it was not, or null. */
export async function refreshNow(app: App, world: World, { token, recipe }: Surveyed): Promise<string | null> {
  if (!isRecipe(recipe)) return recipe.reason;
  const result = await app.refresher.refresh(token, recipe.endpoint.host, world, 'person');
  switch (result.outcome) {
    case 'refreshed':
    case 'adopted':
      return null;
    case 'failed':
      return result.failure.detail;
    case 'not_due':
      return result.reason;
    default:
      return result.outcome === 'busy' ? 'another process is refreshing it' : 'it has just been removed';
  }
}

function answer({ token, expiresAt, history }: Surveyed, value: string) {
  return {
    token: value,
    expires_on: expiresAt === null ? null : Math.floor(expiresAt),
    scope: scopeOf(token),
    refresh_count: history.generation,
  };
}

function notFound(reply: FastifyReply, scope: string) {
  reply.code(404);
  return { error: 'Token not found', scope, message: 'No valid token found for the specified scope' };
}
