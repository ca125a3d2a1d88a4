import type { AgentFile } from './recipe.js';
import type { Server } from './server.js';
import type { Token } from './token.js';

export interface ProviderSources {
  /** The names of providers that are known. */
  readonly providers: Iterable<string>;
  /** By the name of the token they are the credentials of. */
  readonly agents: ReadonlyMap<string, AgentFile>;
  readonly servers: readonly Server[];
}

/**
 * Gives each token its provider: its file's, else its agent file's, else the first part of its name, else that of the
 * definition that uses it; spelt as the provider is spelt where it is known.
 */
export function withProviders(tokens: readonly Token[], { providers, agents, servers }: ProviderSources): Token[] {
  const known = new Map<string, string>();
  for (const { authProvider } of servers)
    if (authProvider !== null) known.set(authProvider.toLowerCase(), authProvider);
  for (const name of providers) known.set(name.toLowerCase(), name);
  const longestFirst = [...known.keys()].toSorted((a, b) => b.length - a.length);
  const linked = new Map(servers.flatMap(({ token, authProvider }) => (token === null ? [] : [[token, authProvider]])));

  const firstPart = ({ name }: Token): string | null => {
    const text = name.toLowerCase();
    return longestFirst.find((provider) => text === provider || text.startsWith(`${provider}-`)) ?? null;
  };
  return tokens.map((token) => {
    const agent = agents.get(token.name)?.fields;
    const said =
      token.provider ?? agent?.provider ?? agent?.auth_provider ?? firstPart(token) ?? linked.get(token.name) ?? null;
    const provider = said === null ? null : (known.get(said.toLowerCase()) ?? said);
    return provider === token.provider ? token : { ...token, provider };
  });
}
