import type { Update } from './formats/format.js';
import type { Token } from './token.js';

/** The last good token of one place. */
export interface TokenBackup extends Pick<Token, 'name' | 'file' | 'at'> {
  readonly update: Update;
  /** Hash of the refresh token that was spent for it; null when it came otherwise. */
  readonly replaced: string | null;
  /** Whether the token's own file has got it. */
  readonly saved: boolean;
}
