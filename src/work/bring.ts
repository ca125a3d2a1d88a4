import type { Listing } from '../ground/entry.js';
import { jwtLife } from '../ground/jwt.js';
import { readMoment } from '../ground/moment.js';
import type { Pasted, WantedEntry } from '../ground/pasted.js';
import { isRecipe } from '../ground/recipe.js';
import { secretOrNull } from '../ground/secret.js';
import { keyOf, serverUrl } from '../ground/server.js';
import { OBTAINED_FIELDS, readSeconds, whyNoHeaderValue } from '../ground/token.js';
import type { Clock } from '../ports/clock.js';
import type { Documents } from '../ports/documents.js';
import { FileError } from '../ports/files.js';
import type { Keep } from './keep.js';
import type { World } from './load.js';
import { fieldsAtFirst, type LoginTarget, loginTarget, whyNoPlace } from './login/target.js';
import type { Surveyed } from './survey.js';

/** What became of tokens that a person brought. */
export interface Brought {
  readonly name: string;
  readonly file: string;
  /** Epoch seconds; null when nothing tells. */
  readonly expiresAt: number | null;
  /** Why it cannot be refreshed; null when it can. */
  readonly refreshable: string | null;
}

export interface BringParts {
  readonly keep: Keep;
  readonly documents: Documents;
  readonly clock: Clock;
  look(): { readonly world: World; readonly surveyed: readonly Surveyed[] };
}

/** What a person may call a token that has no file yet. */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/;
/** The modes of the portal, for a root that has no server yet. */
const MODES = ['readonly', 'admin'];

/** The names that setup goes through: servers that want a token, and modes. */
export function setupNames(world: World, listings: readonly Listing[]): readonly string[] {
  const files = new Set(world.servers.filter(({ auth }) => auth === 'oauth').map(({ file }) => file));
  const servers = listings.filter(({ file, wanted }) => wanted && files.has(file)).map(({ key }) => key);
  const modes = world.tokens.filter(({ file }) => file.startsWith('.mcp_tokens_')).map(({ name }) => name);
  const linked = world.servers.flatMap(({ token }) => (token === null ? [] : [token]));
  const names = [...new Set([...servers, ...modes.filter((mode) => !linked.includes(mode))])];
  return names.length > 0 ? names : MODES;
}

/** The token or server of that name, else a mode's file; null when it cannot be a name. */
export function bringTarget(name: string, world: World, listings: readonly Listing[]): LoginTarget | null {
  const found = loginTarget(name, world, listings);
  if (found?.server || found?.token) return withProvider(found);
  if (!NAME.test(name)) return null;
  const place = { name, file: `.mcp_tokens_${name}.json`, at: [] };
  return { name, provider: null, server: null, token: null, place: () => place };
}

/** By what the target's token is found among others. */
export function wantedEntry({ name, provider, server, token }: LoginTarget, registryUrl: string | null): WantedEntry {
  const names = [name, server?.key, server?.name, token?.name];
  const addresses = server ? [server.ownUrl, serverUrl(server, registryUrl)] : [];
  return { names: names.filter(isText), provider, addresses: [...addresses, token?.fields.resource].filter(isText) };
}

function isText(value: string | null | undefined): value is string {
  return typeof value === 'string' && value !== '';
}

/** A server that names no provider has its host's name for one. */
function withProvider(target: LoginTarget): LoginTarget {
  const url = target.server?.ownUrl ?? null;
  if (target.provider !== null || url === null || !URL.canParse(url)) return target;
  return { ...target, provider: keyOf(new URL(url).hostname) };
}

/** Keeps tokens that a person brought; why not, when they cannot be. */
export async function bring(parts: BringParts, target: LoginTarget, pasted: Pasted): Promise<Brought | string> {
  const { keep, documents, clock, look } = parts;
  const [wrong] = documents.validate('token-file', pasted);
  if (wrong) return `${wrong.pointer}: ${wrong.message}`;
  const { access_token, refresh_token, expires_in, expires_at, ...others } = pasted;
  // A file that somebody else wrote costs that field; what a person gives is refused, while it can still be put right.
  if (!isNothing(expires_in) && readSeconds(expires_in) === null) return '/expires_in: is not a number of seconds';
  if (!isNothing(expires_at) && !readMoment(expires_at)) return '/expires_at: is not a time';
  const access = secretOrNull(access_token);
  const refresh = secretOrNull(refresh_token);
  if (!access && !refresh) return '/access_token: is empty';
  const unusable = access && whyNoHeaderValue(access.reveal());
  if (unusable) return `/access_token: ${unusable}`;
  const now = clock.now();
  const own = access && (jwtLife(access.reveal())?.exp ?? null);
  const expiresIn = readSeconds(expires_in);
  // What was copied out of a store was not obtained just now.
  const obtained = OBTAINED_FIELDS.map((field) => readMoment(others[field])?.at).find((at) => at !== undefined) ?? now;
  const stated = readMoment(expires_at)?.at ?? (expiresIn === null ? null : Math.min(obtained, now) + expiresIn);
  // A token knows best when it ends; what was noted beside it may be from another one.
  const expiresAt = own ?? stated;
  if (!refresh && expiresAt !== null && expiresAt <= now)
    return 'it has expired already, and there is no refresh token to renew it';

  const place = target.place(target.provider ?? 'mcp');
  const unfit = target.token ? null : whyNoPlace(place, target.provider, look().world);
  if (unfit !== null) return unfit;
  const fields = { ...fieldsAtFirst(target, place.at.length === 0 ? target.provider : null), ...others };
  const tokens = { access, refresh, expiresIn: null, expiresAt, fields };
  try {
    await keep({ ...place, wanted: target.token?.wanted ?? null }, tokens);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    return `${place.file} ${error.message}`;
  }
  const kept = look().surveyed.find(({ token }) => token.file === place.file && token.at.join() === place.at.join());
  const refreshable = kept && !isRecipe(kept.recipe) ? kept.recipe.reason : null;
  return { name: place.name, file: place.file, expiresAt, refreshable };
}

function isNothing(value: unknown): boolean {
  return value === undefined || value === null;
}
