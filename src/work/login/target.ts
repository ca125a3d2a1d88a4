import type { Listing } from '../../ground/entry.js';
import { fileStemOf, placeOf } from '../../ground/environment-tokens.js';
import type { Server } from '../../ground/server.js';
import { egressKey, NO_TOKEN, type Token } from '../../ground/token.js';
import type { Place } from '../../ports/stores.js';
import type { World } from '../load.js';

/** What a person names when bringing a token: a server's key, a provider, or a token. */
export interface LoginTarget {
  readonly name: string;
  /** The provider, where something names one. */
  readonly provider: string | null;
  /** The server that the token is for. */
  readonly server: Server | null;
  /** The token that it has now. */
  readonly token: Token | null;
  /** Where the token belongs that is of this provider. */
  readonly place: (provider: string) => Place;
}

/** Null when nothing is called so. */
export function loginTarget(name: string, world: World, listings: readonly Listing[]): LoginTarget | null {
  const listing = listings.find(({ key }) => key === name);
  const server = world.servers.find(({ file }) => file === listing?.file) ?? null;
  if (server) return forServer({ ...server, key: name }, world);
  const [listed] = listing?.tokens ?? [];
  const token = world.tokens.find((one) => one.name === (listed ?? name));
  if (token) return forToken(name, token, world, listings);
  const linked = world.servers.find((one) => one.token === name);
  if (linked) return { ...forServer(linked, world), name };
  const known = world.providers.has(name) || world.tokens.some(({ provider }) => provider === name);
  return known ? forProvider(name, world) : null;
}

/** Everything that `loginTarget` knows. */
export function loginNames(world: World, listings: readonly Listing[]): string[] {
  const names = [
    ...listings.map(({ key }) => key),
    ...world.tokens.map((token) => token.name),
    ...world.providers.keys(),
  ];
  return [...new Set(names)];
}

/** What a token file says beside the tokens: what it said before, or what the gateway's own scripts begin with. */
export function fieldsAtFirst(target: LoginTarget, provider: string | null): Record<string, unknown> {
  if (target.token) return {};
  return { ...(provider !== null && { provider }), ...NO_TOKEN };
}

/** Why a new token cannot have that place; null when it can. */
export function whyNoPlace({ file, at }: Place, provider: string | null, world: World): string | null {
  // The names of definitions are anybody's.
  if (!/^(?:\.oauth-tokens\/)?[^/]+$/.test(file)) return `${file} is no file of this root's`;
  if (world.outputs.has(file.replace(/^\.oauth-tokens\//, ''))) return `${file} is an output; call it by another name`;
  // Two servers' names may make one file's: "a" and "b-c", "a-b" and "c".
  const there = world.tokens.find((token) => token.file === file && token.at.join() === at.join());
  if (!there || there.provider === null || there.provider === provider) return null;
  return `${file} holds a token of ${there.provider}; add "token": NAME to the definition of the server`;
}

function forServer(server: Server, world: World): LoginTarget {
  const { key, authProvider } = server;
  const written = world.tokens.find(
    (one) => egressKey(one) === key && (authProvider === null || one.provider === authProvider),
  );
  const token = server.token === null ? written : world.tokens.find(({ name }) => name === server.token);
  const place = (provider: string): Place => {
    if (token) return token;
    if (server.token !== null) return { name: server.token, file: `.mcp_tokens_${server.token}.json`, at: [] };
    const stem = `${fileStemOf(provider)}-${key}`;
    return { name: stem, file: `.oauth-tokens/${stem}-egress.json`, at: [] };
  };
  return { name: key, provider: token?.provider ?? authProvider, server, token: token ?? null, place };
}

function forToken(name: string, token: Token, world: World, listings: readonly Listing[]): LoginTarget {
  const key = listings.find(({ tokens, missing }) => tokens[0] === token.name || missing === token.name);
  const server = world.servers.find(({ file }) => file === key?.file) ?? null;
  return { name, provider: token.provider, server, token, place: () => token };
}

function forProvider(name: string, world: World): LoginTarget {
  const own = world.tokens.filter((token) => token.provider === name && token.at[0] !== 'client_credentials');
  const token = own.length === 1 ? own[0] : undefined;
  const provider = world.providers.get(name) ?? null;
  const place = (): Place => token ?? placeOf(name, provider, world.environment);
  return { name, provider: name, server: null, token: token ?? null, place };
}
