import { type Authorization, joinScopes } from '../../ground/login.js';
import { type AuthMethod, fillPlaceholders, type Provider } from '../../ground/provider.js';
import { DYNAMIC, fieldsOf, isLoopback, isRecipe, type RecipeSources, recipeFor } from '../../ground/recipe.js';
import { foreignText, Secret } from '../../ground/secret.js';
import { keyOf } from '../../ground/server.js';
import { openAddress, secretsInAddress } from '../../ground/supposed.js';
import { readToken, type Token } from '../../ground/token.js';
import type { Discovered, Discovery } from '../../ports/login.js';
import type { World } from '../load.js';
import type { LoginTarget } from './target.js';

/** A login that did not come about, for people. */
export class LoginError extends Error {
  override readonly name = 'LoginError';
}

/** Where to log in; the client is still to be registered where there is none. */
export type Unregistered = Omit<Authorization, 'clientId' | 'clientSecret' | 'authMethod' | 'fields'>;

export type Found =
  | { readonly kind: 'client'; readonly authorization: Authorization }
  | { readonly kind: 'no client'; readonly at: Discovered; readonly authorization: Unregistered };

export interface Wishes {
  readonly scope: string | null;
  readonly device: boolean;
  readonly allowHttp: boolean;
}

/** Characters of what went wrong. */
const LONGEST = 500;

/**
 * Where and as whom to log in: as the client that the definition and the environment name, else by what the server
 * says of itself, as a client registered before (MCP authorization specification of 2026-07-28, client registration).
 */
export async function findAuthorization(
  target: LoginTarget,
  world: World,
  discovery: Discovery,
  wishes: Wishes,
): Promise<Found> {
  const provider = world.providers.get(target.provider ?? '') ?? null;
  const known = provider ? fromDefinition(target, provider, world, wishes) : null;
  if (known && typeof known !== 'string') return { kind: 'client', authorization: checked(known, wishes) };
  const url = target.server?.ownUrl ?? null;
  const issuer = provider?.issuer ?? null;
  if (url === null && (issuer === null || issuer.includes('{'))) {
    throw new LoginError(
      known ??
        `${target.name} has neither a provider definition nor an MCP server to ask where to log in; bring its token with: token-refresher setup --name ${target.name}`,
    );
  }
  let at: Discovered;
  try {
    at = url === null ? await discovery.ofIssuer(issuer ?? '') : await discovery.ofServer(url);
  } catch (error) {
    const secrets = secretsInAddress(url ?? '').map((text) => new Secret(text));
    const why = foreignText(error instanceof Error ? error.message : String(error), secrets, LONGEST);
    const asked = `${url === null ? issuer : openAddress(url)} was asked where to log in, in vain: ${why}`;
    throw new LoginError(known ? `${known}; ${asked}` : asked, { cause: error });
  }
  return discovered({ target, provider, at, known }, world, wishes);
}

/** As the definition says, where it says enough; else what is missing. */
function fromDefinition(target: LoginTarget, provider: Provider, world: World, wishes: Wishes): Authorization | string {
  const token = basis(target, provider.name);
  const sources = sourcesFor(token, provider, world, wishes);
  const recipe = recipeFor(token, sources);
  if (!isRecipe(recipe)) return recipe.reason.replace('its refresh lacks', 'its login lacks');
  const fields = fieldsOf(token, sources);
  const endpoint = (template: string | null): string | null => {
    if (template === null) return null;
    const { text, missing } = fillPlaceholders(template, fields);
    return missing.length === 0 ? text : null;
  };
  const authorizationEndpoint = endpoint(provider.authorizationEndpoint);
  const deviceEndpoint = endpoint(provider.deviceEndpoint);
  if ((wishes.device ? deviceEndpoint : authorizationEndpoint) === null) {
    return `the definition of ${provider.name} names no ${wishes.device ? 'device_' : ''}authorization_endpoint`;
  }
  const { resource, audience, scope: _, ...tokenParameters } = recipe.parameters;
  return {
    provider: provider.name,
    issuer: endpoint(provider.issuer),
    authorizationEndpoint,
    deviceEndpoint,
    tokenEndpoint: recipe.endpoint,
    clientId: recipe.clientId,
    clientSecret: recipe.clientSecret,
    authMethod: recipe.authMethod,
    scope: joinScopes(provider.scopes, wishes.scope ?? fields('scope')),
    resource: resource ?? null,
    namesItself: false,
    authorizeParameters: { ...(audience !== undefined && { audience }), ...provider.authorizeParameters },
    tokenParameters,
    fields: {},
  };
}

interface Told {
  readonly target: LoginTarget;
  readonly provider: Provider | null;
  readonly at: Discovered;
  /** Why the definition does not do. */
  readonly known: string | null;
}

function discovered({ target, provider: named, at, known }: Told, world: World, wishes: Wishes): Found {
  // RFC 7636 section 4.2; the specification wants a server that does not say so to be refused.
  if (!wishes.device && !at.pkce.includes('S256')) {
    throw new LoginError(`${at.issuer} does not say that it supports PKCE with S256; without it no login is safe`);
  }
  if ((wishes.device ? at.deviceEndpoint : at.authorizationEndpoint) === null) {
    throw new LoginError(`${at.issuer} has no ${wishes.device ? 'device ' : ''}authorization endpoint`);
  }
  // Whom a server names is not thereby one whom the user's client was meant for.
  const name = named?.name ?? target.provider ?? nameFor(at.issuer, world);
  const token = basis(target, name);
  const environment = target.provider === null ? {} : world.environment;
  const sources = { ...sourcesFor(token, named, world, wishes), environment };
  const fields = fieldsOf(token, sources);
  const wanted = wishes.scope ?? at.wantedScope ?? fields('scope');
  const offline = at.scopes.includes('offline_access') ? 'offline_access' : null;
  const authorization: Unregistered = {
    provider: name,
    issuer: at.issuer,
    authorizationEndpoint: at.authorizationEndpoint,
    deviceEndpoint: at.deviceEndpoint,
    tokenEndpoint: urlOf(at.tokenEndpoint, 'token endpoint', wishes),
    scope: joinScopes(wanted, offline),
    resource: at.resource,
    namesItself: at.namesItself,
    authorizeParameters: named?.authorizeParameters ?? {},
    tokenParameters: named?.tokenParameters ?? {},
  };
  const clientId = fields('client_id');
  if (clientId === null) return { kind: 'no client', at, authorization };
  const made = recipeFor(withEndpoint(token, at.tokenEndpoint), sources);
  if (!isRecipe(made)) throw new LoginError(made.reason.replace('its refresh lacks', 'its login lacks'));
  const home = homeOf(named, fields);
  if (home !== null && home !== withoutSlash(at.issuer) && home !== withoutSlash(at.tokenEndpoint)) {
    const instead = known === null ? '' : `${known}; `;
    throw new LoginError(`${instead}its client belongs to ${home}, and is not sent to ${at.issuer}`);
  }
  const { clientSecret } = made;
  const authMethod =
    clientSecret && at.authMethods.length > 0 ? methodAmong(at.authMethods, made.authMethod) : made.authMethod;
  const client = { clientId, clientSecret, authMethod };
  return { kind: 'client', authorization: checked(asClient(authorization, client, {}), wishes) };
}

/** A name for who is known by an issuer alone; none that brings a definition or a client of the environment with it. */
function nameFor(issuer: string, { providers, environment }: World): string {
  const named = Object.entries(environment).filter(([name]) => name.startsWith('EGRESS_PROVIDER_NAME_'));
  const taken = new Set([...providers.keys(), ...named.map(([, value]) => value)]);
  let name = keyOf(new URL(issuer).hostname);
  while (taken.has(name)) name = `mcp-${name}`;
  return name;
}

/** Whose client it is, as the definition or the token's file says; null when neither does. */
function homeOf(provider: Provider | null, fields: (name: string) => string | null): string | null {
  const template = provider?.issuer ?? fields('token_endpoint') ?? provider?.tokenEndpoint ?? null;
  return template === null ? null : withoutSlash(fillPlaceholders(template, fields).text);
}

/** A slash at the end of an issuer is added and taken away by many hands. */
function withoutSlash(url: string): string {
  return url.replace(/\/$/, '');
}

/** Whether the token that is there was issued to this very client by this very server. */
export function isOfThere(token: Token, to: Authorization, world: World, wishes: Wishes): boolean {
  const provider = world.providers.get(token.provider ?? '') ?? null;
  const recipe = recipeFor(token, sourcesFor(token, provider, world, wishes));
  return isRecipe(recipe) && recipe.endpoint.href === to.tokenEndpoint.href && recipe.clientId === to.clientId;
}

/** With the client it was lacking; its token file will say all that a refresh needs. */
export function asClient(
  authorization: Unregistered,
  { clientId, clientSecret, authMethod }: Pick<Authorization, 'clientId' | 'clientSecret' | 'authMethod'>,
  { registered = false }: { readonly registered?: boolean },
): Authorization {
  const { tokenEndpoint, resource } = authorization;
  const fields = {
    token_endpoint: tokenEndpoint.href,
    token_endpoint_auth_method: authMethod,
    client_id: clientId,
    ...(clientSecret && registered && { client_secret: clientSecret.reveal() }),
    ...(registered && { client_registration: DYNAMIC }),
    ...(resource !== null && { resource }),
  };
  return { ...authorization, clientId, clientSecret, authMethod, fields };
}

/** Every address that secrets will be sent to is one that may have them. */
export function checked(authorization: Authorization, wishes: Pick<Wishes, 'allowHttp'>): Authorization {
  for (const url of [authorization.authorizationEndpoint, authorization.deviceEndpoint]) {
    if (url !== null) urlOf(url, 'authorization endpoint', wishes);
  }
  return authorization;
}

export function urlOf(text: string, what: string, { allowHttp }: Pick<Wishes, 'allowHttp'>): URL {
  if (!URL.canParse(text)) throw new LoginError(`the ${what} is not a URL: ${text.slice(0, 200)}`);
  const url = new URL(text);
  // "https://login.example.com@evil.example" is how a host looks like another.
  if (url.username !== '' || url.password !== '')
    throw new LoginError(`the ${what} at ${url.host} has a user name in it`);
  if (url.protocol === 'https:' || (url.protocol === 'http:' && (allowHttp || isLoopback(url.hostname)))) return url;
  throw new LoginError(`the ${what} at ${url.host} is not https; --allow-http would send secrets in the clear`);
}

/** What the file of the token says counts first, but for a client that was registered and may be dead by now. */
function basis({ token, place }: LoginTarget, provider: string): Token {
  const blank = { ...readToken(place(provider), { provider }, provider), refresh: new Secret('none yet') };
  if (!token) return blank;
  const { client_id, token_endpoint, token_endpoint_auth_method, client_registration, ...others } = token.fields;
  const own = client_registration === DYNAMIC ? others : token.fields;
  const clientSecret = client_registration === DYNAMIC ? null : token.clientSecret;
  return { ...token, refresh: blank.refresh, clientSecret, fields: { ...own, grant_type: 'refresh_token' } };
}

function withEndpoint(token: Token, endpoint: string): Token {
  return { ...token, fields: { ...token.fields, token_endpoint: endpoint } };
}

function sourcesFor(token: Token, provider: Provider | null, world: World, { allowHttp }: Wishes): RecipeSources {
  return { provider, agent: world.agents.get(token.name) ?? null, environment: world.environment, allowHttp };
}

function methodAmong(supported: readonly string[], preferred: AuthMethod): AuthMethod {
  if (supported.includes(preferred)) return preferred;
  return supported.includes('client_secret_post') ? 'client_secret_post' : preferred;
}
