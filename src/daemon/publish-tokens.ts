import { boardOf, boardValue } from '../ground/board.js';
import { isRecipe } from '../ground/recipe.js';
import type { PublishedToken } from '../ports/publication.js';
import type { Surveyed } from '../work/survey.js';

/** Tokens that can be used now, as other programs find them. */
export function publishedTokens(
  surveyed: readonly Surveyed[],
  namespace: string,
  now: number,
): readonly PublishedToken[] {
  const clients = new Map(
    surveyed.map(({ token, recipe }) => [token, isRecipe(recipe) ? recipe.clientId : (token.fields.client_id ?? null)]),
  );
  return boardOf(surveyed, namespace, now).map((entry) => ({
    key: entry.key,
    value: boardValue(entry, clients.get(entry.token) ?? null),
    expiresOn: entry.expiresOn,
  }));
}
