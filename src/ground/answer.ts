import { type Failure, kindOfCode } from './failure.js';
import { isRecord } from './problem.js';
import { foreignText, Secret, secretOrNull } from './secret.js';
import { readSeconds } from './token.js';

/** A token endpoint's answer as it came over the wire. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** As much of the body as was read. */
  readonly body: string;
  /** False when the body was cut off: connection lost, too long, too slow. */
  readonly complete: boolean;
}

/** What an answer brings that must be kept, whatever else is wrong with it. */
export interface Grant {
  readonly access: Secret | null;
  readonly refresh: Secret | null;
  /** Seconds; null when absent or no number. */
  readonly expiresIn: number | null;
  /** Seconds until the refresh token ends (Keycloak, GitHub). */
  readonly refreshExpiresIn: number | null;
  readonly tokenType: string | null;
  /** Put together from the pieces of an answer that could not be parsed. */
  readonly salvaged: boolean;
}

/**
 * Takes the tokens out of an answer before anything about it is judged: JSON with or without a BOM, whatever
 * its content type and status, form-encoded (GitHub without `Accept`), nested (Slack's `authed_user`), or
 * what can be salvaged of JSON that is broken. Null when there is no token in it.
 */
export function takeGrant(answer: Answer): Grant | null {
  const document = readBody(answer.body);
  const source = document && withNested(document);
  const grant = source ? readGrant(source) : salvage(answer.body);
  return grant && (grant.access || grant.refresh) ? grant : null;
}

/** Why an answer is not a good one, or null when it is. */
export function judge(
  answer: Answer,
  grant: Grant | null,
  secrets: readonly (Secret | null)[],
  now: number,
): Failure | null {
  const { status } = answer;
  const document = readBody(answer.body);
  const code = document && errorCode(document);
  const retryAfter = retryAfterOf(answer, now);
  const more = retryAfter === null ? {} : { retryAfter };
  if (code) {
    const described = document?.error_description;
    const said = typeof described === 'string' ? `: ${foreignText(described, secrets)}` : '';
    const name = foreignText(code, secrets, 60);
    return { kind: kindOfCode(code, status), code: name, detail: `the server answered ${name}${said}`, ...more };
  }
  if (status >= 300 && status < 400) {
    const detail = `the token endpoint answers with a redirect (HTTP ${status}); name the endpoint it leads to, redirects are never followed`;
    return { kind: 'configuration', code: 'redirected', detail };
  }
  if (grant?.access && !grant.salvaged) return null;
  if (status >= 200 && status < 300) {
    const detail = grant ? 'the answer was damaged; what it held has been kept' : 'the answer held no token';
    return { kind: 'lost', code: 'answer_unusable', detail, ...more };
  }
  return {
    kind: 'transient',
    code: `http_${status}`,
    detail: `the server answered HTTP ${status} without an OAuth error code`,
    ...more,
  };
}

/** The answer's own `Date`, epoch seconds. */
export function dateOf({ headers }: Answer): number | null {
  const date = Date.parse(headers.date ?? '') / 1000;
  return Number.isNaN(date) ? null : date;
}

/**
 * `Retry-After` (RFC 9110 section 10.2.3) of an answer that brings no token, in seconds from now, at most a day;
 * null when it has none. A date is the server's, and so is the time it is compared with.
 */
export function retryAfterOf(answer: Answer, now: number): number | null {
  const value = answer.headers['retry-after'];
  if (value === undefined || takeGrant(answer)) return null;
  const seconds = /^\d+$/.test(value.trim()) ? Number(value) : Date.parse(value) / 1000 - (dateOf(answer) ?? now);
  return Number.isNaN(seconds) ? null : Math.min(Math.max(seconds, 0), 86_400);
}

/** The fields of an answer, JSON or form-encoded; null when it is neither. */
export function readBody(body: string): Record<string, unknown> | null {
  const text = body.replace(/^\uFEFF/, '').trim();
  if (text.startsWith('{')) {
    try {
      const document: unknown = JSON.parse(text);
      return isRecord(document) ? document : null;
    } catch {
      return null;
    }
  }
  if (!/^[\w.%+-]+=[^\s<>{}]*$/.test(text)) return null;
  return Object.fromEntries(new URLSearchParams(text));
}

/** The error code of RFC 6749 section 5.2, also Slack's `{"ok": false, "error": ...}`. */
function errorCode(document: Readonly<Record<string, unknown>>): string | null {
  return typeof document.error === 'string' && document.error !== '' ? document.error : null;
}

function withNested(document: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const nested = document.authed_user;
  return isRecord(nested) && !document.access_token ? { ...document, ...nested } : document;
}

function readGrant(document: Readonly<Record<string, unknown>>): Grant {
  return {
    access: secretOrNull(document.access_token),
    refresh: secretOrNull(document.refresh_token),
    expiresIn: readSeconds(document.expires_in),
    refreshExpiresIn: readSeconds(document.refresh_expires_in ?? document.refresh_token_expires_in),
    tokenType: typeof document.token_type === 'string' && document.token_type !== '' ? document.token_type : null,
    salvaged: false,
  };
}

/** Only whole strings are taken: a token cut in the middle is worth nothing and would replace one that is. */
function salvage(body: string): Grant | null {
  const access = wholeString(body, 'access_token');
  const refresh = wholeString(body, 'refresh_token');
  if (!access && !refresh) return null;
  const seconds = /"expires_in"\s*:\s*"?(\d+)/.exec(body)?.[1];
  return {
    access,
    refresh,
    expiresIn: seconds === undefined ? null : Number(seconds),
    refreshExpiresIn: null,
    tokenType: null,
    salvaged: true,
  };
}

function wholeString(body: string, field: string): Secret | null {
  const literal = new RegExp(`"${field}"\\s*:\\s*("(?:[^"\\\\]|\\\\.)+")`).exec(body)?.[1];
  if (literal === undefined) return null;
  try {
    return new Secret(String(JSON.parse(literal)));
  } catch {
    return null;
  }
}
