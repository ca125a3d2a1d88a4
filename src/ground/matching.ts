import type { Server } from './server.js';
import { egressKey, type Token } from './token.js';

export type Match = { readonly token: Token } | { readonly token: null; readonly reason: string };

/**
 * The token of an OAuth server: the one its definition names, else the file written for it
 * (`<provider>-<key>-egress.json`), else the only one of its provider.
 */
export function matchToken(server: Server, tokens: readonly Token[]): Match {
  const login = `token-refresher login ${server.key}`;
  if (server.token !== null) {
    const token = tokens.find(({ name }) => name === server.token);
    return token ? { token } : none(`there is no token "${server.token}"; run: ${login}`);
  }
  const provider = server.authProvider;
  const written = tokens.find(
    (token) => egressKey(token) === server.key && (provider === null || token.provider === provider),
  );
  if (written) return { token: written };
  if (provider === null) return none(`it names no auth_provider and no token; run: ${login}`);
  const ofProvider = tokens.filter((token) => token.provider === provider);
  const [only] = ofProvider;
  if (only && ofProvider.length === 1) return { token: only };
  if (!only) return none(`there is no token of ${provider}; run: ${login}`);
  const names = ofProvider.map(({ name }) => name).join(', ');
  return none(`${provider} has several tokens (${names}); add "token": NAME to its definition, or run: ${login}`);
}

function none(reason: string): Match {
  return { token: null, reason };
}
