import type { Grant } from '../ground/answer.js';
import { lifetimeOf, updateOf } from '../ground/outcome.js';
import type { Secret } from '../ground/secret.js';
import type { Token } from '../ground/token.js';
import type { Clock } from '../ports/clock.js';
import { FileError } from '../ports/files.js';
import type { Locks } from '../ports/locks.js';
import type { HistoryStore, Place, TokenStore } from '../ports/stores.js';

/** Tokens that a person, a login or the environment brings. */
export interface NewTokens {
  readonly access: Secret | null;
  readonly refresh: Secret | null;
  /** Seconds from now; null when nothing tells. */
  readonly expiresIn: number | null;
  /** Epoch seconds, instead of `expiresIn`. */
  readonly expiresAt?: number | null;
  /** What else its file is to say. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Hash of the tokens in the environment, where they come from there. */
  readonly imported?: string;
}

/**
 * Puts tokens in their place, durably and not while they are being refreshed. `welcome` is asked under the lock
 * whether they are still wanted beside what is there then. Gives whether they were kept; rejects (FileError) when
 * they cannot be.
 */
export type Keep = (
  place: Place & Pick<Token, 'wanted'>,
  tokens: NewTokens,
  welcome?: (there: Token | null) => boolean,
) => Promise<boolean>;

export interface KeepParts {
  readonly store: TokenStore;
  readonly histories: HistoryStore;
  readonly locks: Locks;
  readonly clock: Clock;
}

/** Longer than a refresh of whoever holds the lock; seconds. */
const LOCK_PATIENCE = 90;

export function createKeep({ store, histories, locks, clock }: KeepParts): Keep {
  return async (place, tokens, welcome = () => true) => {
    const lock = await locks.acquire(place, LOCK_PATIENCE);
    if (!lock) throw new FileError('ELOCKED', 'is being refreshed by another process');
    try {
      if (!welcome(await store.reread(place))) return false;
      const found = updateOf(grantOf(tokens), clock.now(), 0);
      const update = { ...found, expiresAt: tokens.expiresAt ?? found.expiresAt };
      await store.bring(place, tokens.fields, update);
      const { imported } = tokens;
      const history = histories.read(place);
      const next = { ...history, lifetime: lifetimeOf(update), ...(imported && { imported }) };
      await histories.note(next).catch((error: unknown) => {
        // The tokens are on disk, and whoever brought them must not hear that they are lost.
        if (!(error instanceof FileError)) throw error;
      });
      return true;
    } finally {
      await lock.release();
    }
  };
}

function grantOf({ access, refresh, expiresIn }: NewTokens): Grant {
  return { access, refresh, expiresIn, refreshExpiresIn: null, tokenType: null, salvaged: false };
}
