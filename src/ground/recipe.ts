import { ownValue } from './lookup.js';
import {
  type AuthMethod,
  type Environment,
  environmentNames,
  environmentValue,
  fillPlaceholders,
  fieldFromEnvironment as fromEnvironment,
  type GrantType,
  type Provider,
} from './provider.js';
import { Secret } from './secret.js';
import { openAddress } from './supposed.js';
import { egressKey, type Token } from './token.js';

/** Everything that a token request needs beside the token that is spent on it. */
export interface Recipe {
  readonly endpoint: URL;
  readonly grant: GrantType;
  readonly clientId: string;
  readonly clientSecret: Secret | null;
  readonly authMethod: AuthMethod;
  readonly username: string | null;
  readonly password: Secret | null;
  readonly parameters: Readonly<Record<string, string>>;
  readonly deadCodes: readonly string[];
}

/** Why there is no recipe. */
export interface Unrefreshable {
  /** `field (ENVIRONMENT_NAME)`, each. */
  readonly missing: readonly string[];
  readonly reason: string;
}

/** The credentials kept beside a token file: `agent-x.json` for `agent-x-token.json`. */
export interface AgentFile {
  readonly fields: Readonly<Record<string, string>>;
  readonly clientSecret: Secret | null;
}

export interface RecipeSources {
  readonly provider: Provider | null;
  readonly agent: AgentFile | null;
  readonly environment: Environment;
  readonly allowHttp: boolean;
}

/** The `client_registration` of a file whose client this program has registered, and can register again. */
export const DYNAMIC = 'dynamic';

const EGRESS_SETS = 100;

/**
 * How a token is refreshed. Each field comes from the first that has it: the token file, the agent file beside
 * it, the numbered EGRESS_OAUTH_*_N set for its provider and server, the environment names of its provider,
 * the provider definition itself.
 */
export function recipeFor(token: Token, sources: RecipeSources): Recipe | Unrefreshable {
  const { provider, agent, environment } = sources;
  const egress = egressSet(token, environment);
  const missing: string[] = [];
  const field = fieldsOf(token, sources);
  const required = (name: string): string => {
    const value = field(name);
    if (value === null) missing.push(named(name, provider));
    return value ?? '';
  };

  const grant = chooseGrant(token, sources);
  if (!grant) {
    const reason = 'it has no refresh token, and no grant_type says how else to get a new one';
    return { missing: ['refresh_token'], reason };
  }

  const endpoint = endpointOf(field('token_endpoint') ?? provider?.tokenEndpoint ?? null, required);
  if (endpoint === null) missing.push(named('token_endpoint', provider));
  const clientId = required('client_id');
  const usual = agent?.clientSecret ?? secretFor(clientId, egress, provider, environment);
  // A server may register a client by the name of the user's own, to be sent that one's secret.
  const clientSecret = token.clientSecret ?? (token.fields.client_registration === DYNAMIC ? null : usual);
  const authMethod = authMethodOf(field('token_endpoint_auth_method'), provider, clientSecret);
  if (authMethod !== 'none' && !clientSecret) missing.push(named('client_secret', provider));
  if (grant === 'client_credentials' && authMethod === 'none') missing.push(named('client_secret', provider));
  const username = grant === 'password' ? required('username') : null;
  const password = grant === 'password' ? new Secret(required('password')) : null;

  if (missing.length > 0) {
    const names = [...new Set(missing)];
    return { missing: names, reason: `its refresh lacks ${names.join(', ')}` };
  }
  if (typeof endpoint === 'string' || endpoint === null) {
    return { missing: [], reason: `its token endpoint is not a URL: ${openAddress(endpoint ?? '')}` };
  }
  if (endpoint.protocol !== 'https:' && !sources.allowHttp && !isLoopback(endpoint.hostname)) {
    const reason = `its token endpoint at ${endpoint.host} is not https; --allow-http would send its secrets in the clear`;
    return { missing: [], reason };
  }
  // A password belongs to one tenant (learn.microsoft.com/entra/identity-platform/v2-oauth-ropc).
  if (grant === 'password' && (field('tenant') ?? field('tenant_id'))?.toLowerCase() === 'common') {
    const names = named('tenant', provider);
    return { missing: [], reason: `the password grant needs the tenant's own id, never "common": correct ${names}` };
  }
  const parameters: Record<string, string> = { ...provider?.tokenParameters };
  for (const name of ['resource', 'audience']) {
    const value = field(name);
    if (value !== null) parameters[name] = value;
  }
  // RFC 6749 section 6: a refresh that names no scope keeps what was granted.
  const scope = grant === 'refresh_token' ? null : field('scope');
  if (scope !== null) parameters.scope = scope;
  const deadCodes = provider?.deadCodes ?? [];
  return { endpoint, grant, clientId, clientSecret, authMethod, username, password, parameters, deadCodes };
}

/** Where each field of a token comes from; null when nothing has it. */
export function fieldsOf(
  token: Token,
  { provider, agent, environment }: RecipeSources,
): (name: string) => string | null {
  const egress = egressSet(token, environment);
  return (name) => {
    for (const alias of [name, ...((provider && ownValue(provider.aliases, name)) ?? [])]) {
      const value = ownValue(token.fields, alias) ?? (agent ? ownValue(agent.fields, alias) : undefined);
      if (value !== undefined) return value;
    }
    return ownValue(egress, name) ?? fromEnvironment(name, provider, environment);
  };
}

export function isRecipe(recipe: Recipe | Unrefreshable): recipe is Recipe {
  return 'endpoint' in recipe;
}

/** RFC 8252 section 7.3: a loopback address never leaves the machine. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/**
 * A grant is never guessed: without a refresh token only what a definition, the file itself, or credentials of
 * an agent's own call for is used; a user's token is not replaced by an application's.
 */
function chooseGrant(token: Token, { provider, agent }: RecipeSources): GrantType | null {
  const own = token.fields.grant_type;
  if (own === 'refresh_token' || own === 'client_credentials' || own === 'password') return own;
  if (token.at[0] === 'client_credentials') return 'client_credentials';
  if (token.refresh) return 'refresh_token';
  if (provider?.grantType && provider.grantType !== 'refresh_token') return provider.grantType;
  return agent ? 'client_credentials' : null;
}

function endpointOf(template: string | null, required: (name: string) => string): URL | string | null {
  if (template === null) return null;
  const { text, missing } = fillPlaceholders(template, (name) => required(name) || null);
  if (missing.length > 0) return text;
  return URL.canParse(text) ? new URL(text) : text;
}

function authMethodOf(method: string | null, provider: Provider | null, secret: Secret | null): AuthMethod {
  if (method === 'client_secret_basic' || method === 'client_secret_post' || method === 'none') return method;
  // RFC 6749 section 2.3.1: every server that issues client passwords must support HTTP Basic.
  return provider?.authMethod ?? (secret ? 'client_secret_basic' : 'none');
}

/** A secret of the environment belongs to the client id beside it, never to another client's. */
function secretFor(
  clientId: string,
  egress: Readonly<Record<string, string>>,
  provider: Provider | null,
  environment: Environment,
): Secret | null {
  if (egress.client_secret && (egress.client_id ?? clientId) === clientId) return new Secret(egress.client_secret);
  const owner = fromEnvironment('client_id', provider, environment);
  if (owner !== null && owner !== clientId) return null;
  const secret = fromEnvironment('client_secret', provider, environment);
  return secret === null ? null : new Secret(secret);
}

function named(field: string, provider: Provider | null): string {
  const names = environmentNames(field, provider);
  return names.length === 0 ? field : `${field} (${names.join(' or ')})`;
}

interface EgressSet {
  readonly provider: string;
  readonly server: string | null;
  readonly fields: Readonly<Record<string, string>>;
}

const egressSets = new WeakMap<Environment, readonly EgressSet[]>();

/** The fields that the first numbered set for the token's provider and server has. */
function egressSet(token: Token, environment: Environment): Readonly<Record<string, string>> {
  const sets = egressSets.get(environment) ?? readEgressSets(environment);
  egressSets.set(environment, sets);
  const key = egressKey(token);
  const set = sets.find(({ provider, server }) => provider === token.provider && (server === null || server === key));
  return set?.fields ?? {};
}

function readEgressSets(environment: Environment): EgressSet[] {
  const sets: EgressSet[] = [];
  for (let n = 1; n <= EGRESS_SETS; n += 1) {
    const provider = environmentValue(environment, `EGRESS_PROVIDER_NAME_${n}`);
    if (provider === null) continue;
    const fields: Record<string, string> = {};
    for (const field of ['client_id', 'client_secret', 'scope']) {
      const value = environmentValue(environment, `EGRESS_OAUTH_${field.toUpperCase()}_${n}`);
      if (value !== null) fields[field] = value;
    }
    sets.push({ provider, server: environmentValue(environment, `EGRESS_MCP_SERVER_NAME_${n}`), fields });
  }
  return sets;
}
