import type { Listing } from '../ground/entry.js';
import type { StatusReport } from '../ground/file-types.js';
import type { State } from '../ground/plan.js';
import { type Problem, problem } from '../ground/problem.js';
import { isRecipe } from '../ground/recipe.js';
import type { Presence } from '../ports/instance.js';
import type { World } from '../work/load.js';
import { loginOf } from '../work/refresh-log.js';
import type { Surveyed } from '../work/survey.js';

export type Status = StatusReport;
export type TokenStatus = Status['tokens'][number];

/** A snapshot for those who look on. Pure. */
export function statusOf(
  presence: Presence,
  world: World,
  surveyed: readonly Surveyed[],
  listings: readonly Listing[],
  problems: readonly Problem[],
): Status {
  const serverOf = serversByToken(listings);
  return {
    instance: instanceStatus(presence),
    tokens: surveyed.map((one) => tokenStatus(one, serverOf.get(one.token.name))),
    servers: listings.map(({ key, file, entry, reason }) => ({
      key,
      file,
      included: entry !== null,
      ...(reason === null ? {} : { reason }),
    })),
    ...(world.copies.length > 0 && {
      copies: world.copies.map(({ token, of }) => ({ file: token.file, name: token.name, of: of.name })),
    }),
    problems: [...world.problems, ...problems].map(({ file, pointer, message }) => ({ file, pointer, message })),
  };
}

function instanceStatus(presence: Presence): Status['instance'] {
  if (presence.state === 'running') return { running: true, pid: presence.pid, since: presence.since };
  if (presence.state === 'none') return { running: false, pid: null, since: null };
  return { running: null, pid: null, since: null, reason: presence.reason };
}

/** The server that each token is for. */
export function serversByToken(listings: readonly Listing[]): ReadonlyMap<string, string> {
  return new Map(
    listings.flatMap(({ key, entry }) =>
      entry?.kind === 'remote' && entry.token !== null ? [[entry.token, key]] : [],
    ),
  );
}

function tokenStatus(surveyed: Surveyed, server: string | undefined): TokenStatus {
  const { token, recipe, history, plan, expiresAt } = surveyed;
  const action = actionFor(surveyed, server);
  const { lastAttempt } = history;
  return {
    name: token.name,
    file: token.file,
    provider: token.provider,
    ...(server === undefined ? {} : { server }),
    state: plan.state,
    expires_at: expiresAt,
    next_refresh_at: isRecipe(recipe) ? plan.at : null,
    reason: plan.reason,
    ...(lastAttempt === null ? {} : { last_attempt: lastAttempt }),
    missing: isRecipe(recipe) ? [] : [...recipe.missing],
    ...(action === null ? {} : { action }),
  };
}

/** What a person can do about it, as a command or a request; null when nothing needs doing. */
export function actionFor(surveyed: Surveyed, server: string | undefined): string | null {
  const { token, recipe, plan } = surveyed;
  const login = loginFor(surveyed, server);
  if (login !== null) return login;
  if (!isRecipe(recipe)) {
    if (recipe.missing.includes('refresh_token')) return null;
    return recipe.missing.length > 0
      ? `set ${recipe.missing.join(', ')}`
      : `change the configuration: ${recipe.reason}`;
  }
  if (plan.state === 'needs_configuration')
    return `correct its configuration, then: token-refresher refresh ${token.name} --force`;
  if (plan.at === null && plan.state === 'failing') return `token-refresher refresh ${token.name} --force`;
  return null;
}

/** The command that brings a new token, where nothing else does; `server` is the one that the token is for. */
export function loginFor({ token, recipe, plan }: Surveyed, server: string | undefined): string | null {
  const ended = plan.state === 'expired' && !isRecipe(recipe) && recipe.missing.includes('refresh_token');
  if (plan.state !== 'needs_login' && !ended) return null;
  return server === undefined ? loginOf(token) : `token-refresher login ${server}`;
}

/** Things that keep a token from being refreshed, as problems of its file: what `validate` adds. */
export function missingProblems(surveyed: readonly Surveyed[]): Problem[] {
  return surveyed.flatMap(({ token, recipe }) => {
    return isRecipe(recipe)
      ? []
      : [{ ...problem(token.file, '', `cannot be refreshed: ${recipe.reason}`), severity: 'warning' as const }];
  });
}

export type Health = { readonly level: 'OK' | 'WARNING' | 'CRITICAL' | 'UNKNOWN'; readonly line: string };

/** As a monitoring plugin tells it. */
export function healthOf({ instance, tokens }: Status, now: number): Health {
  if (instance.running === null) return { level: 'UNKNOWN', line: `UNKNOWN - ${instance.reason}` };
  const named = (states: readonly State[]): string[] =>
    tokens.filter(({ state }) => states.includes(state)).map(({ name }) => name);
  const expired = tokens.filter(({ expires_at }) => expires_at !== null && expires_at <= now).map(({ name }) => name);
  const critical = [
    ...(instance.running ? [] : ['no instance is running']),
    ...(expired.length > 0 ? [`expired: ${expired.join(', ')}`] : []),
  ];
  if (critical.length > 0) return { level: 'CRITICAL', line: `CRITICAL - ${critical.join('; ')}` };
  const login = named(['needs_login']);
  const failing = named(['failing', 'needs_configuration']);
  const warnings = [
    ...(login.length > 0 ? [`needs a login: ${login.join(', ')}`] : []),
    ...(failing.length > 0 ? [`refresh is failing: ${failing.join(', ')}`] : []),
  ];
  if (warnings.length > 0) return { level: 'WARNING', line: `WARNING - ${warnings.join('; ')}` };
  return { level: 'OK', line: `OK - ${tokens.length} tokens are fresh` };
}
