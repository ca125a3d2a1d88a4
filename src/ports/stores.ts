import type { Update } from '../ground/formats/format.js';
import type { History } from '../ground/history.js';
import type { Token } from '../ground/token.js';

/** Where a token is kept. */
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
}

/** Where a token is kept, and what it is called. */
export type Place = Pick<Token, 'name' | 'file' | 'at'>;

export interface TokenReservation {
  /**
   * Keeps the new tokens durably and gives the token as it then is, unless the store no longer holds what was spent: then what is there now stays
   * (`superseded`). Rejects (FileError) when it cannot; may then be called again.
   */
  save(update: Update): Promise<Token | 'superseded'>;
  release(): Promise<void>;
}

/** What is remembered of each token between processes. */
export interface HistoryStore {
  read(place: Place): History;
  /** Durable when it resolves. Rejects (FileError) when it cannot; this process remembers it all the same. */
  write(history: History): Promise<void>;
  /** As `write`, but a power cut may bring the one before back: for what can be found out again. */
  note(history: History): Promise<void>;
}
