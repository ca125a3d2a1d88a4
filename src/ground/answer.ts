import { type Failure, kindOfCode } from './failure.js';
import { jwtLife } from './jwt.js';
import { readMoment } from './moment.js';
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
  /** When the access token ends, where the answer says so instead of for how long it lives; epoch seconds. */
  readonly expiresAt?: number | null;
  /** The same of the refresh token. */
  readonly refreshExpiresAt?: number | null;
  /** What else it says, by the names it has there. */
  readonly others?: Readonly<Record<string, string | number | boolean>>;
  /** Put together from the pieces of an answer that could not be parsed. */
  readonly salvaged: boolean;
}

/**
 * Takes the tokens out of an answer before anything about it is judged: JSON with or without a BOM, whatever
 * its content type and status, form-encoded (GitHub without `Accept`), inside other objects (Slack's `authed_user`), or
 * what can be salvaged of JSON that is broken. Null when there is no token in it.
 */
export function takeGrant(answer: Answer): Grant | null {
  const document = readBody(answer.body);
  const source = document && tokensWithin(document);
  const grant = document ? source && readGrant(source) : salvage(answer.body);
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

const ACCESS = ['access_token', 'accessToken'] as const;
const REFRESH = ['refresh_token', 'refreshToken'] as const;
const TYPE = ['token_type', 'tokenType'] as const;
const LIFETIME = ['expires_in', 'expiresIn', 'expires'] as const;
const END = ['expires_at', 'expiresAt', 'expires_on', 'expiresOn', 'expiration', 'expiry', 'expires'] as const;
const REFRESH_LIFETIME = [
  'refresh_expires_in',
  'refreshExpiresIn',
  'refresh_token_expires_in',
  'refreshTokenExpiresIn',
] as const;
const REFRESH_END = [
  'refresh_expires_at',
  'refreshExpiresAt',
  'refresh_token_expires_at',
  'refreshTokenExpiresAt',
] as const;
const MANAGED = new Set<string>([...ACCESS, ...REFRESH, ...TYPE, ...LIFETIME, ...END, ...REFRESH_LIFETIME]);

/** Bounds of the search for the object that holds the tokens. */
const DEEPEST = 4;
const MOST_OBJECTS = 200;

/** The outermost object that holds a token, with what stands beside it further out; null when there is none. */
function tokensWithin(document: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> | null {
  let level: Readonly<Record<string, unknown>>[] = [document];
  for (let depth = 0, looked = 0; depth <= DEEPEST && level.length > 0; depth += 1) {
    const next: Readonly<Record<string, unknown>>[] = [];
    for (const one of level) {
      looked += 1;
      if (looked > MOST_OBJECTS) return null;
      if (secretOf(one, ACCESS) || secretOf(one, REFRESH)) return one;
      for (const inner of Object.values(one)) if (isRecord(inner)) next.push({ ...scalarsOf(one), ...inner });
    }
    level = next;
  }
  return null;
}

function scalarsOf(document: Readonly<Record<string, unknown>>): Record<string, string | number | boolean> {
  return Object.fromEntries(
    Object.entries(document).filter(
      (entry): entry is [string, string | number | boolean] =>
        ['string', 'number', 'boolean'].includes(typeof entry[1]) && !MANAGED.has(entry[0]),
    ),
  );
}

function readGrant(document: Readonly<Record<string, unknown>>): Grant {
  const type = firstValue(document, TYPE);
  const refresh = secretOf(document, REFRESH);
  return {
    access: secretOf(document, ACCESS),
    refresh,
    expiresIn: firstOf(document, LIFETIME, readLifetime),
    expiresAt: firstOf(document, [...LIFETIME, ...END], readEnd),
    refreshExpiresIn: firstOf(document, REFRESH_LIFETIME, readLifetime),
    refreshExpiresAt:
      firstOf(document, [...REFRESH_END, ...REFRESH_LIFETIME], readEnd) ??
      (refresh && (jwtLife(refresh.reveal())?.exp ?? null)),
    tokenType: typeof type === 'string' && type.trim() !== '' ? type : null,
    others: scalarsOf(document),
    salvaged: false,
  };
}

function firstValue(document: Readonly<Record<string, unknown>>, names: readonly string[]): unknown {
  const name = names.find((one) => Object.hasOwn(document, one));
  return name === undefined ? undefined : document[name];
}

/** A blank, or the word for nothing, is no token. */
function secretOf(document: Readonly<Record<string, unknown>>, names: readonly string[]): Secret | null {
  const value = firstValue(document, names);
  if (typeof value !== 'string' || /^\s*(?:null|undefined|none)?\s*$/i.test(value)) return null;
  return secretOrNull(value);
}

function firstOf(
  document: Readonly<Record<string, unknown>>,
  names: readonly string[],
  read: (value: unknown) => number | null,
): number | null {
  for (const name of names) {
    const found = Object.hasOwn(document, name) ? read(document[name]) : null;
    if (found !== null) return found;
  }
  return null;
}

/** More seconds than any token lives: an epoch time. */
const EPOCH_FROM = 1_000_000_000;

/** `3600`, `"3600"` or `"3600s"`; nothing that cannot be a lifetime. */
function readLifetime(value: unknown): number | null {
  const seconds = readSeconds(typeof value === 'string' ? value.trim().replace(/s$/i, '') : value);
  return seconds !== null && seconds > 0 && seconds < EPOCH_FROM ? seconds : null;
}

/** A point in time, in any way that token files have it. */
function readEnd(value: unknown): number | null {
  const at = readMoment(value)?.at ?? null;
  return at !== null && at >= EPOCH_FROM ? at : null;
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
