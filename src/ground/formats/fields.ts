import { humanMoment, type MomentStyle, readMoment, writeMoment } from '../moment.js';
import { BEGUN_FIELDS, expiryField, OBTAINED_FIELDS } from '../token.js';
import type { Update } from './format.js';

const SECONDS: MomentStyle = { kind: 'epoch', decimals: 0, text: false };

/**
 * The fields of one token after a refresh. Every field stays, in its place and its style; a refresh token is
 * replaced only by another one.
 */
export function updateFields(
  fields: Readonly<Record<string, unknown>>,
  { grant, now, expiresAt }: Update,
): Record<string, unknown> {
  const next: Record<string, unknown> = { ...fields };
  if (grant.access) next.access_token = grant.access.reveal();
  if (grant.refresh) next.refresh_token = grant.refresh.reveal();
  if (grant.salvaged) {
    next.salvaged_at = Math.floor(now);
    return next;
  }
  delete next.salvaged_at;
  if (!grant.access) return next;

  for (const [name, value] of Object.entries(grant.others ?? {})) {
    if (Object.hasOwn(fields, name) && isRenewable(name, fields)) next[name] = value;
  }
  if (grant.tokenType !== null && !sameType(fields.token_type, grant.tokenType)) next.token_type = grant.tokenType;
  if ('expires_in' in fields)
    next.expires_in = inStyleOf(fields.expires_in, expiresAt === null ? null : Math.round(expiresAt - now));
  if ('refresh_expires_in' in fields && grant.refreshExpiresIn !== null)
    next.refresh_expires_in = grant.refreshExpiresIn;
  const field = expiryField(fields) ?? 'expires_at';
  const since = [...OBTAINED_FIELDS, ...BEGUN_FIELDS].filter((name) => readMoment(fields[name]));
  const derived = !(field in fields) && 'expires_in' in fields && since.length > 0;
  for (const name of derived ? since : OBTAINED_FIELDS) {
    const style = readMoment(fields[name])?.style;
    if (style) next[name] = writeMoment(now, style);
  }
  if (!derived) {
    const style = readMoment(fields[field])?.style ?? SECONDS;
    next[field] = expiresAt === null ? null : writeMoment(expiresAt, style);
  }
  if ('expires_at_human' in fields) next.expires_at_human = expiresAt === null ? null : humanMoment(expiresAt);
  return next;
}

/** What a request is made of is the user's to say, and the scope is asked for again where there is no refresh token. */
const ASKED_WITH = new Set([
  'provider',
  'client_id',
  'client_secret',
  'client_registration',
  'token_endpoint',
  'token_endpoint_auth_method',
  'grant_type',
  'resource',
  'audience',
  'tenant',
  'tenant_id',
  'user_id',
  'acquired_for',
]);

function isRenewable(name: string, fields: Readonly<Record<string, unknown>>): boolean {
  if (name === 'scope') return typeof fields.scope === 'string' && typeof fields.refresh_token === 'string';
  return !ASKED_WITH.has(name) && typeof fields[name] !== 'object';
}

function sameType(before: unknown, now: string): boolean {
  if (before === undefined) return now.toLowerCase() === 'bearer';
  return typeof before === 'string' && before.toLowerCase() === now.toLowerCase();
}

function inStyleOf(before: unknown, seconds: number | null): number | string | null {
  return typeof before === 'string' && seconds !== null ? String(seconds) : seconds;
}
