import type { Token } from '../ground/token.js';
import type { Digest } from '../ports/digest.js';
import { FileError } from '../ports/files.js';
import type { BackupStore, SpentTokens } from '../ports/stores.js';
import type { World } from './load.js';
import { spendsOf } from './spent.js';

export interface ForeignTokensParts {
  readonly backups: BackupStore;
  readonly spentTokens: SpentTokens;
  readonly digest: Digest;
  readonly now: () => number;
}

/**
 * Keeps backups in step with what other programs write: a new login takes the place of the token before it, and is what
 * is put back when an old copy returns. Only of places that have a backup, as nothing of the others was ever spent.
 */
export function createForeignTokens(parts: ForeignTokensParts): (world: World) => Promise<void> {
  const { backups, spentTokens, digest, now } = parts;
  /** By name: one of a store is read anew whenever another one of it changes. */
  let before: ReadonlyMap<string, Token> | null = null;
  return async ({ tokens }) => {
    const seen = before;
    if (seen && seen.size === tokens.length && tokens.every((token) => seen.get(token.name) === token)) return;
    before = new Map(tokens.map((token) => [token.name, token]));
    if (!seen) return;
    const ledger = spentTokens.load();
    for (const token of tokens) {
      const last = seen.get(token.name);
      if (last === token || !token.refresh || (last && isSame(last, token))) continue;
      if (ledger.find(spendsOf(token, digest), token)) continue;
      const backup = backups.read(token);
      if (!backup || backup.update.grant.refresh?.reveal() === token.refresh.reveal()) continue;
      await backups.note({ ...backup, ...asBackup(token, now()) }).catch((error: unknown) => {
        if (!(error instanceof FileError)) throw error;
      });
    }
  };
}

function isSame(a: Token, b: Token): boolean {
  return a.file === b.file && a.access?.reveal() === b.access?.reveal() && a.refresh?.reveal() === b.refresh?.reveal();
}

function asBackup({ access, refresh, expiry, fields }: Token, now: number) {
  const grant = {
    access,
    refresh,
    expiresIn: null,
    refreshExpiresIn: null,
    tokenType: fields.token_type ?? null,
    salvaged: false,
  };
  return { update: { grant, now, expiresAt: expiry.at }, replaced: null, saved: true };
}
