import type { TokenBackup } from '../ground/backup.js';
import { humanMoment } from '../ground/moment.js';
import type { Secret } from '../ground/secret.js';
import type { Token } from '../ground/token.js';
import type { Digest } from '../ports/digest.js';
import type { BackupStore, SpentLedger, SpentToken } from '../ports/stores.js';

const spending = new WeakMap<Token, string>();

/** Hash of what a refresh would spend: the refresh token, or the access token that it replaces. */
export function spendsOf(token: Token, digest: Digest): string {
  const known = spending.get(token);
  if (known !== undefined) return known;
  const hash = hashOf(token.refresh ?? token.access, digest);
  spending.set(token, hash);
  return hash;
}

/** What a refresh token is known by once it is spent. */
export function hashOf(secret: Secret | null, digest: Digest): string {
  return digest(secret?.reveal() ?? null);
}

/** The tokens that came after the spent one that stands there; null when they are not known, or spent as well. */
export function successorOf(
  token: Token,
  { backups, ledger, digest }: { backups: BackupStore; ledger: SpentLedger; digest: Digest },
): TokenBackup | null {
  const backup = backups.read(token);
  const refresh = backup?.update.grant.refresh ?? null;
  return backup && refresh && !ledger.find(hashOf(refresh, digest), token) ? backup : null;
}

/** For people. */
export function spentReason({ at, file, token }: Pick<SpentToken, 'at' | 'file' | 'token'>): string {
  const when = at === null ? '' : ` on ${humanMoment(at)}`;
  const where = file === '' ? '' : `, for ${token} in ${file}`;
  return `its refresh token was spent${when}${where}; it is never sent again`;
}
