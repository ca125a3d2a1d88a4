import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { App } from '../daemon/app.js';
import { serversByToken, statusOf } from '../daemon/status.js';
import { userOf } from '../ground/board.js';
import { isRecipe } from '../ground/recipe.js';
import type { Surveyed } from '../work/survey.js';
import { type OverviewQuery, overview } from './overview.js';
import * as schemas from './schemas.js';
import { REFRESHES, refreshNow } from './token-routes.js';
import type { Views } from './view.js';

export interface AdminRouteParts {
  readonly app: App;
  readonly view: Views;
}

/** Tokens as operators see them: one of the client's own, those of users, and the others. */
interface Sorted {
  readonly own: Surveyed | null;
  readonly users: ReadonlyMap<string, Surveyed>;
  readonly others: ReadonlyMap<string, Surveyed>;
}

/** `/admin`: what operators see and mend. */
export function adminRoutes(api: FastifyInstance, { app, view }: AdminRouteParts): void {
  const { clock, settings } = app;
  const left = (at: number | null): number | null => (at === null ? null : Math.max(0, Math.floor(at - clock.now())));
  const expired = (at: number | null): boolean => at !== null && at <= clock.now();

  const healthOf = (one: Surveyed) => {
    const { token, expiresAt, plan } = one;
    const valid = token.rendered !== null && !expired(expiresAt);
    const troubled = !['valid', 'unknown', 'due'].includes(plan.state);
    return {
      valid,
      expires_in_seconds: left(expiresAt),
      has_refresh_token: token.refresh !== null,
      status: troubled ? plan.state : valid ? 'healthy' : token.access ? 'expired' : 'missing',
      source: sourceOf(one),
    };
  };
  const detailsOf = (one: Surveyed) => {
    const { token, expiresAt, plan } = one;
    return {
      expires_at: expiresAt,
      expires_in_seconds: left(expiresAt),
      is_expired: expired(expiresAt),
      needs_refresh_soon: plan.refresh || expired(expiresAt),
      has_refresh_token: token.refresh !== null,
      scope: token.fields.scope ?? null,
      source: sourceOf(one),
    };
  };
  const persistence = (one: Surveyed | null) => {
    const file = one?.token.file ?? '.oauth-tokens';
    return { file_exists: app.signature(file) !== '', file_path: join(settings.root, file) };
  };
  const map = <T>(tokens: ReadonlyMap<string, Surveyed>, to: (one: Surveyed) => T): Record<string, T> => {
    return Object.fromEntries([...tokens].map(([name, one]) => [name, to(one)]));
  };

  api.get(
    '/admin/tokens/status',
    { schema: { summary: 'How every token is', response: { 200: schemas.adminStatus } } },
    async () => {
      const { surveyed } = view.now();
      const { own, users, others } = sorted(surveyed);
      const issues = surveyed.flatMap((one) => {
        const { status, valid } = healthOf(one);
        return valid && status === 'healthy'
          ? []
          : [`${one.token.name}: ${status.replaceAll('_', ' ')}: ${one.plan.reason}`];
      });
      return {
        healthy: issues.length === 0,
        issues,
        tokens: {
          ...map(others, healthOf),
          client_credentials: own ? healthOf(own) : { valid: false, expires_in_seconds: 0, status: 'missing' },
          users: map(users, healthOf),
        },
        background_refresh: { running: true, task_exists: true },
        persistence: persistence(own ?? [...users.values()][0] ?? null),
      };
    },
  );

  api.get(
    '/admin/tokens',
    { schema: { summary: 'Every token, without its value', response: { 200: schemas.adminTokens } } },
    async () => {
      const { own, users, others } = sorted(view.now().surveyed);
      const nothing = {
        expires_at: null,
        expires_in_seconds: null,
        is_expired: false,
        needs_refresh_soon: false,
        scope: null,
      };
      return {
        client_credentials: { exists: own !== null, ...(own ? detailsOf(own) : nothing) },
        user_tokens: map(users, detailsOf),
        tokens: map(others, detailsOf),
        background_refresh_running: true,
        token_file_exists: persistence(own ?? [...users.values()][0] ?? null).file_exists,
        current_time: clock.now(),
      };
    },
  );

  api.post(
    '/admin/tokens/refresh',
    {
      schema: { summary: 'Refresh every token now', response: { 200: schemas.adminRefresh, 429: schemas.failure } },
      config: { rateLimit: REFRESHES },
    },
    async () => {
      const { world, surveyed } = view.anew();
      const { own, users, others } = sorted(surveyed);
      const named: [string, Surveyed][] = [
        ...(own ? [['client_credentials', own] as [string, Surveyed]] : []),
        ...[...users].map(([user, one]): [string, Surveyed] => [`user_${user}`, one]),
        ...others,
      ];
      const results = await Promise.all(
        named.map(async ([name, one]) => {
          const trouble = await refreshNow(app, world, one);
          return [name, trouble === null ? 'success' : `failed: ${trouble}`];
        }),
      );
      view.anew();
      return {
        message: 'Manual token refresh completed',
        results: Object.fromEntries(results),
        timestamp: clock.now(),
      };
    },
  );

  // For the page at `/`: the report of `token-refresher status --json`.
  const reportSchema = {
    summary: 'As status --json; with a limit, what needs attention first',
    querystring: schemas.reportParameters,
    response: { 200: schemas.report, 400: schemas.failure },
  };
  api.get<{ Querystring: OverviewQuery }>(
    '/admin/status',
    { schema: reportSchema, config: { polled: true } },
    async ({ query }) => {
      const { world, surveyed } = view.now();
      const { listings } = app.publisher.join(world);
      const running = app.instance.running();
      const report =
        query.limit === undefined
          ? statusOf(running, world, surveyed, listings, [])
          : overview({ running, view: { world, surveyed }, listings, serverOf: serversByToken(listings) }, query);
      return { ...report, now: clock.now() };
    },
  );
}

function sorted(surveyed: readonly Surveyed[]): Sorted {
  let own: Surveyed | null = null;
  const users = new Map<string, Surveyed>();
  const others = new Map<string, Surveyed>();
  for (const one of surveyed) {
    const user = userOf(one.token);
    if (user !== null && !users.has(user)) users.set(user, one);
    else if (own === null && isOwn(one)) own = one;
    else others.set(one.token.name, one);
  }
  return { own, users, others };
}

/** Whether the client has it for itself, and for no user. */
function isOwn({ token, recipe }: Surveyed): boolean {
  return token.at[0] === 'client_credentials' || (isRecipe(recipe) && recipe.grant === 'client_credentials');
}

function sourceOf({ token }: Surveyed): string {
  return token.fields.source ?? (token.wanted ? 'acquired' : 'file');
}
