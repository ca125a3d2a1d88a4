import { type Gateway, gatewayOf } from './gateway.js';
import { ownValue } from './lookup.js';
import { indexTokens, type Match, matchToken, type TokenIndex } from './matching.js';
import { type Environment, environmentValue, fillPlaceholders, type Provider } from './provider.js';
import { Secret, SupposedSecret } from './secret.js';
import { keyOf, type Server, serverUrl, trimSlashes } from './server.js';
import { isSupposedHeader, isSupposedVariable, namesSecret, openAddress, supposedArguments } from './supposed.js';
import { egressKey, type Token, whyNoHeaderValue } from './token.js';

/** One server as a client is to be told of it. */
export type Entry = RemoteEntry | CommandEntry;

export interface RemoteEntry {
  readonly kind: 'remote';
  readonly key: string;
  readonly file: string;
  readonly url: string;
  /** The same without what in it is secret. */
  readonly openUrl: string;
  readonly sse: boolean;
  readonly headers: Readonly<Record<string, string | Secret>>;
  /** The token behind `Authorization`, if any. */
  readonly token: string | null;
}

export interface CommandEntry {
  readonly kind: 'command';
  readonly key: string;
  readonly file: string;
  readonly command: string;
  readonly args: readonly (string | Secret)[];
  readonly env: Readonly<Record<string, string | Secret>>;
}

/** What became of one definition (or of a token file that stands for one). */
export interface Listing {
  readonly key: string;
  readonly file: string;
  readonly entry: Entry | null;
  /** Why it is left out. */
  readonly reason: string | null;
  /** Whether that needs attention: switched off does not. */
  readonly wanted: boolean;
  /** The tokens that its headers are made of, also where one of them is why it is left out. */
  readonly tokens: readonly string[];
  /** The token that is not there, where that is why it is left out. */
  readonly missing: string | null;
}

export interface JoinInput {
  readonly servers: readonly Server[];
  /** Paths that server_state.json switches off, without slashes at their ends. */
  readonly switchedOff: ReadonlySet<string>;
  readonly tokens: readonly Token[];
  readonly providers: ReadonlyMap<string, Provider>;
  readonly environment: Environment;
  readonly registryUrl: string | null;
}

export interface Joined {
  /** Sorted by key. */
  readonly listings: readonly Listing[];
  /** Two files with one key, each told once. */
  readonly warnings: readonly { readonly file: string; readonly pointer?: string; readonly message: string }[];
}

/** Joins servers and tokens. */
export function joinServers(input: JoinInput): Joined {
  const warnings: { file: string; pointer?: string; message: string }[] = [];
  const context = {
    ...input,
    gateway: gatewayOf(input.tokens, input.providers, input.environment),
    index: indexTokens(input.tokens),
    isKnown: secretsKnown(input),
  };
  const byKey = new Map<string, Server>();
  const given = new Map<string, number>();
  const listings: Listing[] = [];
  for (const server of [...input.servers].sort((a, b) => compare(a.file, b.file))) {
    const key = freeKey(server.key, byKey, given);
    const first = byKey.get(server.key);
    if (first) {
      warnings.push({ file: server.file, message: `has the same key as ${first.file}; it is listed as "${key}"` });
    }
    byKey.set(key, server);
    const listing = list({ ...server, key }, context);
    listings.push(listing);
    if (listing.entry?.kind === 'command' && listing.entry.args.some((word) => word instanceof Secret)) {
      warnings.push({ file: server.file, pointer: '/args', message: VISIBLE });
    }
  }
  const used = new Set(listings.map(({ entry }) => (entry?.kind === 'remote' ? entry.token : null)));
  for (const token of input.tokens) {
    const key = keyOf(egressKey(token) ?? '');
    if (key === '' || byKey.has(key) || input.registryUrl === null || used.has(token.name)) continue;
    listings.push(list(serverOfToken(token, key), context));
  }
  return { listings: listings.sort((a, b) => compare(a.key, b.key)), warnings };
}

const VISIBLE =
  'holds what looks like a secret, which every user of a machine can see in its list of processes; put it into "env" where the server can take it from there';

interface JoinContext extends JoinInput {
  readonly gateway: Gateway;
  readonly index: TokenIndex;
  /** Whether a text holds a secret that is known as one. */
  readonly isKnown: (text: string) => boolean;
}

function list(server: Server, input: JoinContext): Listing {
  const { key, file } = server;
  const off = !server.enabled || (server.path !== null && input.switchedOff.has(trimSlashes(server.path)));
  if (off) return { key, file, entry: null, reason: 'it is switched off', wanted: false, tokens: [], missing: null };
  const match = server.auth === 'oauth' && !server.command ? matchToken(server, input.index) : null;
  const viaGateway = input.registryUrl !== null && server.path !== null && !server.command;
  const gateway = viaGateway ? input.gateway : null;
  const tokens = [match?.token?.name, gateway?.token].filter((name) => typeof name === 'string');
  const built = server.command ? commandEntry(server, input) : remoteEntry(server, match, gateway, input);
  if (typeof built === 'string') {
    const missing = match?.token === null ? match.missing : null;
    return { key, file, entry: null, reason: built, wanted: true, tokens, missing };
  }
  return { key, file, entry: built, reason: null, wanted: true, tokens, missing: null };
}

/** The entry, or why there is none. */
function remoteEntry(
  server: Server,
  match: Match | null,
  gateway: Gateway | null,
  input: JoinContext,
): RemoteEntry | string {
  const { key, file, sse } = server;
  const url = serverUrl(server, input.registryUrl);
  if (url === null) return 'it has no mcp_endpoint and no proxy_pass_url, and no registry URL is set';
  if (!URL.canParse(url)) return 'its URL is not one';
  const shared = gateway?.headers ?? {};
  const openUrl = input.isKnown(url) ? new URL(url).origin : openAddress(url);
  const entry = { kind: 'remote', key, file, url, openUrl, sse, token: null } as const;
  const { authorization, others } = splitAuthorization(server.headers);

  if (match) {
    if (match.token) {
      const { rendered, unrenderable, name } = match.token;
      if (!rendered) return `its token ${name} cannot be used: ${unrenderable}`;
      const rest = resolveHeaders(server, others, input);
      if (typeof rest === 'string') return rest;
      const bearer = { Authorization: new Secret(`Bearer ${rendered.reveal()}`) };
      const headers = { ...bearer, ...providerHeaders(match.token, input.providers), ...rest, ...shared };
      return { ...entry, headers, token: name };
    }
    // A definition may bring an Authorization of its own, from the environment.
    if (authorization === null || unsetIn(authorization, input.environment).length > 0) return match.reason;
  }
  const own = resolveHeaders(server, server.headers, input);
  if (typeof own === 'string') return own;
  if (server.auth === 'api_key' && Object.keys(own).length === 0) {
    return 'its auth_type is api_key, but its definition names no header for the key ("headers": [{"X-API-Key": "$NAME"}])';
  }
  return { ...entry, headers: { ...own, ...shared } };
}

function commandEntry(server: Server, { environment, isKnown }: JoinContext): CommandEntry | string {
  const { key, file, command, secretNames } = server;
  if (!command) return 'it has no command';
  const words = [command.command, ...command.args];
  const [hidden, ...supposed] = supposedArguments(words);
  if (hidden || isKnown(command.command)) return 'its command holds a secret; put that into "env"';
  const env = resolveAll(command.env, environment);
  if (typeof env === 'string') return env;
  for (const [name, value] of Object.entries(env)) {
    if (typeof value !== 'string') continue;
    const secret = secretNames.includes(name) || isSupposedVariable(name, value) || isKnown(value);
    if (secret) env[name] = new SupposedSecret(value);
  }
  const args = command.args.map((word, index) => (supposed[index] || isKnown(word) ? new SupposedSecret(word) : word));
  return { kind: 'command', key, file, command: command.command, args, env };
}

/** Also written out, a token or a secret of the environment is one. */
function secretsKnown({ tokens, environment }: JoinInput): (text: string) => boolean {
  let known: Set<string> | null = null;
  return (text) => {
    known ??= new Set([
      ...tokens.flatMap(({ access, refresh, clientSecret }) =>
        [access, refresh, clientSecret].flatMap((secret) => (secret ? [secret.reveal()] : [])),
      ),
      ...Object.entries(environment).flatMap(([name, value]) =>
        value !== undefined && value.length >= SHORTEST_KNOWN && namesSecret(name) ? [value.trim()] : [],
      ),
    ]);
    const pieces = [text, ...text.split(/[\s,;&?=]+/), ...text.split(/[\s,;&?=:/@"']+/)];
    return pieces.some((piece) => known?.has(piece));
  };
}

/** Shorter values of the environment are words like others. */
const SHORTEST_KNOWN = 6;

const VARIABLE = /\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))/g;

/** Puts the environment's values in the place of `$NAME` and `${NAME}`; says which one is not set. */
function resolveAll(
  values: Readonly<Record<string, string>>,
  environment: Environment,
): Record<string, string | Secret> | string {
  const resolved: [name: string, value: string | Secret][] = [];
  for (const [name, template] of Object.entries(values)) {
    const unset = unsetIn(template, environment);
    if (unset.length > 0) return `${name} needs ${unset.join(', ')}, which the environment does not set`;
    const value = template.replace(VARIABLE, (_, braced?: string, bare?: string) => {
      return environmentValue(environment, braced ?? bare ?? '') ?? '';
    });
    resolved.push([name, value === template ? value : new Secret(value)]);
  }
  return Object.fromEntries(resolved);
}

const SECRET_HEADER = /authorization|cookie|key|token|secret|password/i;

function resolveHeaders(
  { auth, secretNames }: Server,
  headers: Readonly<Record<string, string>>,
  { environment, isKnown }: JoinContext,
): Record<string, string | Secret> | string {
  const resolved = resolveAll(headers, environment);
  if (typeof resolved === 'string') return resolved;
  for (const [name, value] of Object.entries(resolved)) {
    const unfit = whyNoHeaderValue((value instanceof Secret ? value.reveal() : value).replaceAll(' ', ''));
    if (unfit !== null) return `${name} cannot be used: ${unfit}`;
    if (typeof value !== 'string') continue;
    // Written out in the definition or not, it is a secret.
    if (auth === 'api_key' || SECRET_HEADER.test(name)) resolved[name] = new Secret(value);
    else if (secretNames.includes(name) || isSupposedHeader(name, value) || isKnown(value)) {
      resolved[name] = new SupposedSecret(value);
    }
  }
  return resolved;
}

function unsetIn(template: string, environment: Environment): string[] {
  const names = [...template.matchAll(VARIABLE)].map(([, braced, bare]) => braced ?? bare ?? '');
  return names.filter((name) => environmentValue(environment, name) === null);
}

function splitAuthorization(headers: Readonly<Record<string, string>>): {
  readonly authorization: string | null;
  readonly others: Record<string, string>;
} {
  const isAuthorization = ([name]: [string, string]): boolean => name.toLowerCase() === 'authorization';
  const entries = Object.entries(headers);
  return {
    authorization: entries.find(isAuthorization)?.[1] ?? null,
    others: Object.fromEntries(entries.filter((entry) => !isAuthorization(entry))),
  };
}

/** Headers that the provider's API wants beside the token, as Atlassian's cloud id. */
function providerHeaders(token: Token, providers: ReadonlyMap<string, Provider>): Record<string, string> {
  const headers: [name: string, value: string][] = [];
  for (const [name, template] of Object.entries(providers.get(token.provider ?? '')?.headers ?? {})) {
    const { text, missing } = fillPlaceholders(template, (field) => ownValue(token.fields, field) ?? null);
    if (missing.length === 0 && whyNoHeaderValue(text) === null) headers.push([name, text]);
  }
  return Object.fromEntries(headers);
}

function serverOfToken(token: Token, key: string): Server {
  return {
    file: token.file,
    name: key,
    path: `/${key}`,
    key,
    ownUrl: null,
    sse: false,
    auth: 'oauth',
    authProvider: token.provider,
    token: token.name,
    headers: {},
    command: null,
    secretNames: [],
    enabled: true,
  };
}

/** `given`: how often each key has been wanted. */
function freeKey(wanted: string, taken: ReadonlyMap<string, unknown>, given: Map<string, number>): string {
  let n = given.get(wanted) ?? 1;
  let key = n === 1 ? wanted : `${wanted}-${n}`;
  for (; taken.has(key); key = `${wanted}-${n}`) n += 1;
  given.set(wanted, n);
  return key;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
