import type { TokenBackup } from '../ground/backup.js';
import type { Update } from '../ground/formats/format.js';
import type { History } from '../ground/history.js';
import type { Token } from '../ground/token.js';

/** The tokens in their files. */
export interface TokenStore {
  /** The token as it stands now; null when it is gone, or cannot be read. */
  reread(token: Place & Pick<Token, 'wanted'>): Promise<Token | null>;
  /** Proves that the token's successor can be kept. Rejects (FileError) when it cannot. */
  reserve(token: Token): Promise<TokenReservation>;
  /**
   * Puts tokens that came from elsewhere in their place, durably when it resolves; what is there keeps every other
   * field. Rejects (FileError) when it cannot. For whoever holds the token's lock.
   */
  bring(place: Place, fields: Readonly<Record<string, unknown>>, update: Update): Promise<void>;
  /**
   * Takes a token away: its file, or its entry, with everything else in the file as it was. Does nothing when it is gone.
   * Rejects (FileError) when it cannot. For whoever holds the token's lock.
   */
  remove(place: Place): Promise<void>;
  /** Puts the successor of a spent token in that one's place, as `TokenReservation.save` does. */
  restore(token: Token, update: Update): Promise<Saved>;
}

/**
 * The token as it now is; `superseded` when another, unspent token has taken its place, which stays; `away` when
 * there is no place for it right now: its file or its entry is gone.
 */
export type Saved = Token | 'superseded' | 'away';

/** Where a token is kept, and what it is called. */
export type Place = Pick<Token, 'name' | 'file' | 'at'>;

export interface TokenReservation {
  /**
   * Keeps the new tokens durably, in the place of the token that was spent or of one that was spent before it. Rejects
   * (FileError) when it cannot; may then be called again, as it may after `away`.
   */
  save(update: Update): Promise<Saved>;
  release(): Promise<void>;
}

/**
 * The last good token of each place, private and durable, so that a disk that refuses the token's own file, a kill
 * between an answer and its save, or an old copy that is written over the token loses nothing.
 */
export interface BackupStore {
  /** Null when there is none. */
  read(place: Place): TokenBackup | null;
  /** Durable when it resolves, in whatever place can hold it. Rejects (FileError) when none can. */
  write(backup: TokenBackup): Promise<void>;
  /** As `write`, but a power cut may bring the one before back. */
  note(backup: TokenBackup): Promise<void>;
  /** Does nothing when there is none. Rejects (FileError) when it cannot. */
  remove(place: Place): Promise<void>;
  /** Those that the root could not hold; next to never any. */
  readonly rescued: readonly TokenBackup[];
}

/** A refresh token that a server has answered with another one. It is never sent again, wherever it stands. */
export interface SpentToken {
  /** SHA-256 of it. */
  readonly hash: string;
  /** Epoch seconds; null when that is no longer known. */
  readonly at: number | null;
  /** The token that it was spent for, and where that is kept. */
  readonly token: string;
  readonly file: string;
}

/** The hashes of spent refresh tokens. */
export interface SpentTokens {
  /** What has been noted up to now. */
  load(): SpentLedger;
  /** Rejects (FileError) when no place can hold it. */
  add(spent: SpentToken): Promise<void>;
  /** Removes what is so old that it cannot matter any more. */
  forget(now: number): Promise<void>;
}

export interface SpentLedger {
  /** Another one when anything was added. */
  readonly version: object;
  /** Null when it is not known to be spent. What is noted beside the file that holds it counts as well. */
  find(hash: string, holder: Pick<Token, 'file'>): SpentToken | null;
}

/** What is remembered of each token between processes. */
export interface HistoryStore {
  read(place: Place): History;
  /** Durable when it resolves. Rejects (FileError) when it cannot; this process remembers it all the same. */
  write(history: History): Promise<void>;
  /** As `write`, but a power cut may bring the one before back: for what can be found out again. */
  note(history: History): Promise<void>;
  /** Rejects (FileError) when it cannot. */
  remove(place: Place): Promise<void>;
}
