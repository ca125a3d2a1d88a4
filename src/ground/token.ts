import { jwtLife } from './jwt.js';
import { type Moment, readMoment } from './moment.js';
import { type Secret, secretOrNull } from './secret.js';

/** One token as it stands in a file. */
export interface Token {
  readonly name: string;
  /** The file, relative to the root. */
  readonly file: string;
  /** Where in the file: empty for the whole of it, else the keys that lead to it. */
  readonly at: readonly string[];
  readonly provider: string | null;
  readonly access: Secret | null;
  /** The access token that clients are given: the one before while `access` cannot be; null when there is none. */
  readonly rendered: Secret | null;
  readonly refresh: Secret | null;
  readonly clientSecret: Secret | null;
  readonly expiry: Expiry;
  /** Why `access` cannot be given to a client, or null when it can. */
  readonly unrenderable: string | null;
  /** The other fields that are text or numbers, as text: endpoints, credentials' names, tenant, cloud id, ... */
  readonly fields: Readonly<Record<string, string>>;
  /** What asks for it, so that it is acquired also without a file. */
  readonly wanted: Wanted | null;
}

/** A token that is to be there although nobody has put one: registry/tokens says so. */
export interface Wanted {
  /** What defines it. */
  readonly definition: string;
  /** Where it is kept. */
  readonly file: string;
  /** What its request needs, as a token file would say it. */
  readonly fields: Readonly<Record<string, string>>;
}

/** When the access token ends, in epoch seconds, and by whose clock. */
export interface Expiry {
  readonly at: number | null;
  /** `server` for a JWT's own `exp`; `local` for what was computed or written on a machine of the user's. */
  readonly clock: 'local' | 'server';
  /** Seconds from issue to expiry, where the file tells. */
  readonly lifetime: number | null;
}

/** Fields that say when the token was obtained, the first that is there counts. */
export const OBTAINED_FIELDS = ['refreshed_at', 'obtained_at', 'generated_at', 'saved_at'] as const;

/** Fields that may say so, or when the file was made: they count where nothing else tells since when `expires_in` runs. */
export const BEGUN_FIELDS = ['issued_at', 'created_at'] as const;

/** Fields that say when the token ends; the first that can be read counts, and keeps its name and style. */
export const EXPIRY_FIELDS = ['expires_at', 'expires_on', 'expiry_date', 'expiry', 'expires', 'expiresAt'] as const;

/** The field of those that a file has. */
export function expiryField(document: Readonly<Record<string, unknown>>): (typeof EXPIRY_FIELDS)[number] | null {
  const there = EXPIRY_FIELDS.filter((field) => Object.hasOwn(document, field));
  return there.find((field) => readMoment(document[field])) ?? there[0] ?? null;
}

/** What a token file begins with, in the shape that the gateway's own scripts write. */
export const NO_TOKEN = {
  access_token: null,
  token_type: 'Bearer',
  expires_at: null,
  expires_at_human: null,
  saved_at: '1970-01-01 00:00:00 UTC',
} as const;

const NOT_FIELDS = new Set(['access_token', 'refresh_token', 'id_token', 'client_secret', 'password']);

/**
 * What a token is called: its file's name without `.json` and without a trailing `-egress` or `-token`;
 * `.mcp_tokens_readonly.json` is `readonly`.
 */
export function tokenName(fileName: string): string {
  return fileStem(fileName)
    .replace(/^\.mcp_tokens_(?=.)/, '')
    .replace(/^\./, '')
    .replace(/(?<=.)-(?:egress|token)$/, '');
}

/** The file, and which of its tokens where it holds several: how messages call a token. */
export function labelOf({ file, name, at }: Pick<Token, 'file' | 'name' | 'at'>): string {
  return at.length === 0 ? file : `${file} (${name})`;
}

export function fileStem(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1).replace(/\.json$/i, '');
}

/** A file written for one server behind the gateway, `<provider>-<key>-egress.json`. */
export function isEgressFile(path: string): boolean {
  return fileStem(path).endsWith('-egress');
}

/** The server's key in an egress token's name `<provider>-<key>`; null when the name is not of that form. */
export function egressKey(token: Pick<Token, 'name' | 'file' | 'provider'>): string | null {
  const prefix = `${token.provider}-`;
  if (token.provider === null || !isEgressFile(token.file) || !token.name.startsWith(prefix)) return null;
  return token.name.slice(prefix.length) || null;
}

/** Reads the fields every kind of token file shares. */
export function readToken(
  where: Pick<Token, 'name' | 'file' | 'at'>,
  document: Readonly<Record<string, unknown>>,
  provider: string | null,
): Token {
  const access = secretOrNull(document.access_token);
  const fields: Record<string, string> = {};
  for (const [key, value] of Object.entries(document)) {
    if (NOT_FIELDS.has(key)) continue;
    if (typeof value === 'string' && value !== '') fields[key] = value;
    else if (typeof value === 'number') fields[key] = String(value);
  }
  const unrenderable = whyUnrenderable(document, access);
  return {
    ...where,
    provider: fields.provider ?? provider,
    access,
    rendered: unrenderable === null ? access : null,
    refresh: secretOrNull(document.refresh_token),
    clientSecret: secretOrNull(document.client_secret),
    expiry: readExpiry(document, access),
    unrenderable,
    fields,
    wanted: null,
  };
}

function readExpiry(document: Readonly<Record<string, unknown>>, access: Secret | null): Expiry {
  const life = access && jwtLife(access.reveal());
  const expiresIn = readSeconds(document.expires_in);
  const obtained = obtainedAt(document);
  const ends = expiryField(document);
  const written = ends === null ? null : readMoment(document[ends]);
  const begun = obtained ?? momentIn(document, BEGUN_FIELDS);
  const at = written?.at ?? (begun && expiresIn !== null ? begun.at + expiresIn : null);
  if (at === null) {
    const exp = life?.exp ?? null;
    return { at: exp, clock: 'server', lifetime: positive(exp !== null && life?.iat ? exp - life.iat : null) };
  }
  return { at, clock: 'local', lifetime: positive(expiresIn ?? (obtained ? at - obtained.at : null)) };
}

function obtainedAt(document: Readonly<Record<string, unknown>>): Moment | null {
  return momentIn(document, OBTAINED_FIELDS);
}

function momentIn(document: Readonly<Record<string, unknown>>, fields: readonly string[]): Moment | null {
  for (const field of fields) {
    const moment = readMoment(document[field]);
    if (moment) return moment;
  }
  return null;
}

/** `expires_in` as servers and scripts write it: a number, or a number in a string. */
export function readSeconds(value: unknown): number | null {
  const seconds = typeof value === 'string' && /^\s*-?\d+(\.\d+)?\s*$/.test(value) ? Number(value) : value;
  return typeof seconds === 'number' && Number.isFinite(seconds) ? seconds : null;
}

function positive(seconds: number | null): number | null {
  return seconds !== null && seconds > 0 ? seconds : null;
}

function whyUnrenderable(document: Readonly<Record<string, unknown>>, access: Secret | null): string | null {
  if (!access) return 'there is no access token yet';
  if (document.salvaged_at !== undefined) return 'it was salvaged from a damaged answer and awaits a clean one';
  // "bot" and "user" are Slack's names for bearer tokens (docs.slack.dev, using token rotation).
  const type = document.token_type;
  if (typeof type === 'string' && type.trim() !== '' && !/^(bearer|bot|user)[\s_-]*(token)?$/i.test(type.trim())) {
    // A server may say back anything there, the secrets that it was sent included.
    const word = /^[A-Za-z_]{1,10}$/.test(type.trim()) ? `"${type.trim()}", not Bearer` : 'none that is known';
    return `its token_type is ${word}`;
  }
  return whyNoHeaderValue(access.reveal());
}

/** Why a value cannot be sent in a header and written into a client's configuration; null when it can. */
export function whyNoHeaderValue(value: string): string | null {
  if (!/^[\x21-\x7e]+$/.test(value)) return 'it holds characters that no HTTP header may carry';
  // Claude Code, among others, expands ${NAME} in the values of its configuration.
  if (value.includes('${')) return 'it holds "${", which clients would expand';
  return null;
}
