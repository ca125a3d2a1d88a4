import type { Server } from './server.js';
import { egressKey, isEgressFile, type Token } from './token.js';

export type Match =
  | { readonly token: Token }
  | {
      readonly token: null;
      readonly reason: string;
      /** The name of the token that a login would bring; null where the definition has to be completed first. */
      readonly missing: string | null;
    };

/** Tokens by the ways in which a server finds its own. */
export interface TokenIndex {
  readonly byName: ReadonlyMap<string, Token>;
  /** By the key in `<provider>-<key>-egress.json`. */
  readonly byKey: ReadonlyMap<string, readonly Token[]>;
  /** In small letters. */
  readonly byProvider: ReadonlyMap<string, readonly Token[]>;
  /** Egress files by their token's name, in small letters. */
  readonly written: ReadonlyMap<string, Token>;
}

export function indexTokens(tokens: readonly Token[]): TokenIndex {
  const byKey = new Map<string, Token[]>();
  const byProvider = new Map<string, Token[]>();
  const add = (index: Map<string, Token[]>, key: string | null, token: Token): void => {
    if (key === null) return;
    const there = index.get(key);
    if (there) there.push(token);
    else index.set(key, [token]);
  };
  const written = new Map<string, Token>();
  for (const token of tokens) {
    add(byKey, egressKey(token), token);
    add(byProvider, token.provider?.toLowerCase() ?? null, token);
    if (isEgressFile(token.file)) written.set(token.name.toLowerCase(), token);
  }
  return { byName: new Map(tokens.map((token) => [token.name, token])), byKey, byProvider, written };
}

/**
 * The token of an OAuth server: the one its definition names, else the file written for it
 * (`<provider>-<key>-egress.json`), else the only one of its provider.
 */
export function matchToken(server: Server, index: TokenIndex): Match {
  const { byName, byKey, byProvider } = index;
  const login = `token-refresher login ${server.key}`;
  if (server.token !== null) {
    const token = byName.get(server.token);
    return token ? { token } : none(`there is no token "${server.token}"; run: ${login}`, server.token);
  }
  const provider = server.authProvider;
  // Its name decides, whatever the file says of its provider.
  const written =
    provider === null
      ? byKey.get(server.key)?.[0]
      : (index.written.get(`${provider}-${server.key}`.toLowerCase()) ??
        byKey.get(server.key)?.find((token) => token.provider?.toLowerCase() === provider.toLowerCase()));
  if (written) return { token: written };
  if (provider === null) return none(`it names no auth_provider and no token; run: ${login}`);
  const ofProvider = byProvider.get(provider.toLowerCase()) ?? [];
  const [only] = ofProvider;
  if (only && ofProvider.length === 1) return { token: only };
  if (!only) return none(`there is no token of ${provider}; run: ${login}`, `${provider}-${server.key}`);
  const names = ofProvider.map(({ name }) => name).join(', ');
  return none(`${provider} has several tokens (${names}); add "token": NAME to its definition, or run: ${login}`);
}

function none(reason: string, missing: string | null = null): Match {
  return { token: null, reason, missing };
}
