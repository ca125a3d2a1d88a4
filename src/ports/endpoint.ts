import type { Exchange } from '../ground/outcome.js';
import type { Recipe } from '../ground/recipe.js';
import type { Secret } from '../ground/secret.js';

/** A provider's token endpoint. */
export interface TokenEndpoint {
  /** Sends one request and reads its bounded answer. Never rejects; never sends twice. */
  request(recipe: Recipe, refreshToken: Secret | null): Promise<Exchange>;
}
