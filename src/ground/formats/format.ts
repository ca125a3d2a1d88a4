import type { Grant } from '../answer.js';
import type { Token } from '../token.js';

/** The fields of an answer, and when it came, as they go into a file. */
export interface Update {
  readonly grant: Grant;
  /** Epoch seconds. */
  readonly now: number;
  /** When the new access token ends; null when nothing tells. */
  readonly expiresAt: number | null;
}

/** A shape in which token files come. */
export interface TokenFormat {
  readonly schema: string;
  /** Whether a file of this name, with this content, is of this shape. */
  recognises(file: string, document: Readonly<Record<string, unknown>>): boolean;
  /** The tokens in it; none when it holds none. */
  read(file: string, document: Readonly<Record<string, unknown>>): readonly Token[];
  /** The document with the token at `at` renewed and everything else as it was. */
  update(document: Readonly<Record<string, unknown>>, at: readonly string[], update: Update): Record<string, unknown>;
}
