import type { Exchange } from '../ground/outcome.js';
import type { Recipe } from '../ground/recipe.js';
import type { Secret } from '../ground/secret.js';

/** A provider's token endpoint. */
export interface TokenEndpoint {
  /** Sends one request and reads its bounded answer. Never rejects; never sends twice. */
  request(recipe: Recipe, refreshToken: Secret | null): Promise<Exchange>;
  /** The same with another grant's parameters, `grant_type` among them; without one, for another endpoint. */
  exchange(client: ClientCredentials, parameters: Readonly<Record<string, string>>): Promise<Exchange>;
}

/** Who asks, and where. */
export type ClientCredentials = Pick<Recipe, 'endpoint' | 'clientId' | 'clientSecret' | 'authMethod'>;
