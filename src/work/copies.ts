import { isRecipe, type RecipeSources, recipeFor } from '../ground/recipe.js';
import type { Server } from '../ground/server.js';
import { egressKey, isEgressFile, labelOf, type Token } from '../ground/token.js';
import type { Digest } from '../ports/digest.js';
import type { SpentLedger } from '../ports/stores.js';
import { spendsOf } from './spent.js';

/** Why nothing is done with a copy, for people. */
export function copyReason({ token, of }: Copy): string {
  return `${labelOf(token)} is a copy of ${labelOf(of)}; ask for ${of.name}, which is the one that is kept fresh`;
}

/** A token file whose refresh token is another one's: it is left alone. */
export interface Copy {
  readonly token: Token;
  /** The token that is kept fresh in its place. */
  readonly of: Token;
}

export interface CopyContext {
  readonly servers: readonly Server[];
  readonly ledger: SpentLedger;
  readonly digest: Digest;
  readonly sourcesOf: (token: Token) => RecipeSources;
}

/**
 * Tells copies from the tokens that they are copies of. Login scripts and backups leave one refresh token in several
 * files; with a provider that rotates it, whoever refreshes the second one ends them all.
 */
export function separateCopies(
  found: readonly Token[],
  { servers, ledger, digest, sourcesOf }: CopyContext,
): { readonly tokens: readonly Token[]; readonly copies: readonly Copy[] } {
  const holders = new Map<string, Token[]>();
  for (const token of found) {
    if (!token.refresh) continue;
    const hash = spendsOf(token, digest);
    holders.set(hash, [...(holders.get(hash) ?? []), token]);
  }
  const ofCopy = new Map<Token, Token>();
  for (const [hash, group] of holders) {
    const [first] = group;
    if (!first) continue;
    const spent = ledger.find(hash, first);
    // What was spent belongs where its successor is.
    const successor = spent && found.find((token) => token.file === spent.file && isCalled(token, spent.token));
    const owner = successor ?? (group.length > 1 ? ownerAmong(group, servers, sourcesOf) : first) ?? first;
    for (const token of group) if (token !== owner) ofCopy.set(token, owner);
  }
  if (ofCopy.size === 0) return { tokens: found, copies: [] };
  return {
    tokens: found.filter((token) => !ofCopy.has(token)),
    copies: [...ofCopy].map(([token, of]) => ({ token, of })),
  };
}

/** In a file of one token its name may have changed since. */
function isCalled(token: Token, name: string): boolean {
  return token.at.length === 0 || token.name === name;
}

/** The one that can be refreshed and has a server, wherever it sorts. */
function ownerAmong(
  group: readonly Token[],
  servers: readonly Server[],
  sourcesOf: CopyContext['sourcesOf'],
): Token | undefined {
  const rank = (token: Token): number => {
    const key = egressKey(token);
    const hasServer = servers.some((server) => server.token === token.name || server.key === key);
    return (
      (isRecipe(recipeFor(token, sourcesOf(token))) ? 4 : 0) + (hasServer ? 2 : 0) + (isEgressFile(token.file) ? 1 : 0)
    );
  };
  return group.toSorted((a, b) => rank(b) - rank(a))[0];
}
