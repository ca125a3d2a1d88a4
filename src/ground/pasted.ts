import { ownValue } from './lookup.js';
import { isRecord } from './problem.js';
import { whyNoHeaderValue } from './token.js';
import { trimEnd } from './trim.js';

/** Tokens as people copy them, in the names of RFC 6749 section 5.1; everything else as it was. */
export type Pasted = Readonly<Record<string, unknown>>;

/** Whether more is to come of what begins as a JSON object. */
export function isUnfinished(text: string): boolean {
  return text.trimStart().startsWith('{') && readObject(text) === null;
}

/**
 * Reads what was pasted for an access token: the token itself, broken over lines or with `Bearer ` or a whole header
 * before it, or the JSON object that MCP Inspector and token endpoints show. Null when it is none of these.
 */
export function readPasted(text: string): Pasted | null {
  if (text.trimStart().startsWith('{')) {
    const found = readObject(text);
    return found && tokensIn(found);
  }
  const token = cleanToken(text);
  return isPlausible(token) ? { access_token: token } : null;
}

/** The token alone: without quotes, white space, and the words that stand before it in a header or an object. */
export function cleanToken(text: string): string {
  const named = text.trim().replace(/^["'`]?(?:authorization|access_?token|refresh_?token)["'`]?\s*[:=]\s*/i, '');
  return trimEnd(named.replace(/^["'`]/, ''), `"'\`,`)
    .replace(/^bearer(?:\s+["'`]?|$)/i, '')
    .replace(/[\s\p{Cf}]+/gu, '');
}

/** A piece of JSON is no token, though a header could carry it. */
function isPlausible(token: string): boolean {
  return token !== '' && whyNoHeaderValue(token) === null && !/["'`[\]{}<>\\]/.test(token);
}

/** The object that holds the tokens: the outermost that has one, with names as OAuth has them. */
export function tokensIn(document: Readonly<Record<string, unknown>>): Pasted | null {
  const named = withOAuthNames(document);
  if (named.access_token !== undefined || named.refresh_token !== undefined) {
    const cleaned = { ...named };
    for (const field of ['access_token', 'refresh_token']) {
      const value = named[field];
      if (typeof value === 'string') cleaned[field] = cleanToken(value);
    }
    return cleaned;
  }
  for (const value of Object.values(document)) {
    const inner = isRecord(value) ? tokensIn(value) : null;
    if (inner) return inner;
  }
  return null;
}

const OTHER_NAMES: Readonly<Record<string, string>> = {
  accessToken: 'access_token',
  refreshToken: 'refresh_token',
  expiresIn: 'expires_in',
  expiresAt: 'expires_at',
  tokenType: 'token_type',
};

function withOAuthNames(document: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(document).map(([name, value]) => [ownValue(OTHER_NAMES, name) ?? name, value]),
  );
}

function readObject(text: string): Record<string, unknown> | null {
  try {
    const document: unknown = JSON.parse(text);
    return isRecord(document) ? document : null;
  } catch {
    return null;
  }
}
