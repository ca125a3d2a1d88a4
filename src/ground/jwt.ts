import { isRecord } from './problem.js';

/**
 * The registered claims of a JWT (RFC 7519 section 4.1) that speak of its life, unverified: they decide only
 * when to ask for a new token. Null for anything that is not a JWT.
 */
export function jwtLife(token: string): { readonly exp: number | null; readonly iat: number | null } | null {
  const [header, payload, signature] = token.split('.');
  if (!header || !payload || signature === undefined) return null;
  try {
    const claims: unknown = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')));
    if (!isRecord(claims)) return null;
    return { exp: numericDate(claims.exp), iat: numericDate(claims.iat) };
  } catch {
    return null;
  }
}

function numericDate(claim: unknown): number | null {
  return typeof claim === 'number' && Number.isFinite(claim) && claim > 0 ? claim : null;
}
