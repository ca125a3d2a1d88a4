import type { Answer } from '../ground/answer.js';
import type { Recipe } from '../ground/recipe.js';
import type { Secret } from '../ground/secret.js';

/** A provider's token endpoint. */
export interface TokenEndpoint {
  /** Sends one request and reads its bounded answer. Never rejects; never sends twice. */
  request(recipe: Recipe, refreshToken: Secret | null): Promise<Exchange>;
}

export interface Exchange {
  /** False only when the request cannot have reached the server. */
  readonly sent: boolean;
  /** What came back, also when it broke off; null when nothing did. */
  readonly answer: Answer | null;
  /** What went wrong on the way, for people; null when nothing did. */
  readonly trouble: string | null;
}
