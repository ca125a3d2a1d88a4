import type { History } from './history.js';
import type { Token } from './token.js';

/** A token as other programs ask for it: by scope, and by user where it has one. */
export interface BoardEntry {
  /** `{namespace}tokens:agent:{scope}` or `{namespace}tokens:user:{user_id}:{scope}`. */
  readonly key: string;
  readonly scope: string;
  readonly userId: string | null;
  readonly token: Token;
  /** Epoch seconds, whole; null when nothing tells. */
  readonly expiresOn: number | null;
  /** The same to the fraction. */
  readonly expiresAt: number | null;
  readonly storedAt: number;
  readonly refreshCount: number;
  readonly lastRefreshed: number | null;
}

/** What of a token is looked at here. */
export interface Posted {
  readonly token: Token;
  readonly history: History;
  readonly expiresAt: number | null;
}

/** Where a namespace is not chosen. */
export const DEFAULT_NAMESPACE = 'annika:';

/** Tokens that can be used now. Of two that would have one key, the second goes by its name. */
export function boardOf(posted: readonly Posted[], namespace: string, now: number): readonly BoardEntry[] {
  const entries = new Map<string, BoardEntry>();
  for (const { token, history, expiresAt } of posted) {
    if (!token.rendered || (expiresAt !== null && expiresAt <= now)) continue;
    const userId = userOf(token);
    const scope = scopeOf(token);
    const usual = keyFor(namespace, userId, scope);
    const taken = entries.has(usual);
    const key = taken ? keyFor(namespace, userId, token.name) : usual;
    const { at, lifetime } = token.expiry;
    const stored =
      history.succeededAt ?? (at !== null && lifetime !== null ? at - lifetime : firstSeen(token.rendered, now));
    entries.set(key, {
      key,
      scope: taken ? token.name : scope,
      userId,
      token,
      expiresOn: expiresAt === null ? null : Math.floor(expiresAt),
      expiresAt,
      storedAt: Math.floor(stored),
      refreshCount: history.generation,
      lastRefreshed: history.succeededAt === null ? null : Math.floor(history.succeededAt),
    });
  }
  return [...entries.values()];
}

const seen = new WeakMap<object, number>();

/** Of a token that does not say when it was obtained: when it was posted first. */
function firstSeen(access: object, now: number): number {
  const first = seen.get(access) ?? now;
  seen.set(access, first);
  return first;
}

/** What a token is for, in its own words; one that has none is called by its name. */
export function scopeOf(token: Token): string {
  return token.fields.scope ?? token.name;
}

/** Whose a token is; null for an application's, or the only one's. */
export function userOf({ at, fields }: Token): string | null {
  const [kind, user] = at;
  return (kind === 'user_tokens' ? user : fields.user_id) ?? null;
}

function keyFor(namespace: string, userId: string | null, scope: string): string {
  return userId === null ? `${namespace}tokens:agent:${scope}` : `${namespace}tokens:user:${userId}:${scope}`;
}

/** What stands under the key of an entry: JSON. */
export function boardValue({ scope, userId, token, ...entry }: BoardEntry, clientId: string | null): string {
  return JSON.stringify({
    token: token.rendered?.reveal(),
    expires_on: entry.expiresOn,
    scope,
    ...(userId !== null && { user_id: userId }),
    stored_at: entry.storedAt,
    refresh_count: entry.refreshCount,
    ...(entry.lastRefreshed !== null && { last_refreshed: entry.lastRefreshed }),
    metadata: { acquired_by: 'mcp-token-refresher', client_id: clientId },
  });
}
