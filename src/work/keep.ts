import type { Grant } from '../ground/answer.js';
import { humanMoment } from '../ground/moment.js';
import { lifetimeOf, updateOf } from '../ground/outcome.js';
import type { Secret } from '../ground/secret.js';
import type { Token } from '../ground/token.js';
import type { Clock } from '../ports/clock.js';
import type { Digest } from '../ports/digest.js';
import { FileError } from '../ports/files.js';
import type { Locks } from '../ports/locks.js';
import type { BackupStore, HistoryStore, Place, SpentTokens, TokenStore } from '../ports/stores.js';
import { hashOf } from './spent.js';

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
  readonly backups: BackupStore;
  readonly spentTokens: SpentTokens;
  readonly digest: Digest;
  readonly locks: Locks;
  readonly clock: Clock;
}

/** Longer than a refresh of whoever holds the lock; seconds. */
const LOCK_PATIENCE = 90;

export function createKeep(parts: KeepParts): Keep {
  const { store, histories, backups, spentTokens, digest, locks, clock } = parts;
  /** A token that a server has answered already would only be put in the place of a better one. */
  const refuseSpent = (place: Place, refresh: Secret | null): void => {
    const spent = refresh && spentTokens.load().find(hashOf(refresh, digest), place);
    if (!spent) return;
    const when = spent.at === null ? '' : ` on ${humanMoment(spent.at)}`;
    const where = spent.file === '' ? '' : `; its successor is in ${spent.file}`;
    throw new FileError('ESPENT', `cannot take this refresh token, which was spent${when}${where}`);
  };

  return async (place, tokens, welcome = () => true) => {
    refuseSpent(place, tokens.refresh);
    const lock = await locks.acquire(place, LOCK_PATIENCE);
    if (!lock) throw new FileError('ELOCKED', 'is being refreshed by another process');
    try {
      if (!welcome(await store.reread(place))) return false;
      const found = updateOf(grantOf(tokens), clock.now(), 0);
      const update = { ...found, expiresAt: tokens.expiresAt ?? found.expiresAt };
      await store.bring(place, tokens.fields, update);
      // Else the one of before would be put back where an old copy of the file returns.
      if (tokens.refresh && backups.read(place))
        await unimportant(backups.note({ ...place, update, replaced: null, saved: true }));
      const { imported } = tokens;
      const history = histories.read(place);
      const next = { ...history, lifetime: lifetimeOf(update), ...(imported && { imported }) };
      await unimportant(histories.note(next));
      return true;
    } finally {
      await lock.release();
    }
  };
}

/** The tokens are on disk, and whoever brought them must not hear that they are lost. */
async function unimportant(work: Promise<void>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!(error instanceof FileError)) throw error;
  });
}

function grantOf({ access, refresh, expiresIn }: NewTokens): Grant {
  return { access, refresh, expiresIn, refreshExpiresIn: null, tokenType: null, salvaged: false };
}
