import { ownValue } from './lookup.js';
import { isRecord } from './problem.js';
import { keyOf } from './server.js';
import { OBTAINED_FIELDS, whyNoHeaderValue } from './token.js';
import { trimEnd } from './trim.js';

/** Tokens as people copy them, in the names of RFC 6749 section 5.1; everything else as it was. */
export type Pasted = Readonly<Record<string, unknown>>;

/** Whether more is to come of what begins as a JSON object. */
export function isUnfinished(text: string): boolean {
  return text.trimStart().startsWith('{') && readObject(text) === null;
}

/** Tokens that are there, and none of them is the one that is wanted. */
export class OnlyOthers {
  /** What they are called there. */
  readonly others: readonly string[];

  constructor(others: readonly string[]) {
    this.others = others;
  }
}

/** What is known of the token that is wanted, to tell it from the others in a store of another tool. */
export interface WantedEntry {
  readonly names: readonly string[];
  /** Which may be that of other servers, too. */
  readonly provider: string | null;
  /** Of the server that it is for. */
  readonly addresses: readonly string[];
}

/**
 * Reads what was pasted for an access token: the token itself, broken over lines or with `Bearer ` or a whole header
 * before it, or the JSON object that MCP Inspector and token endpoints show. Null when it is none of these.
 */
export function readPasted(text: string, wanted: WantedEntry): Pasted | OnlyOthers | null {
  if (text.trimStart().startsWith('{')) {
    const found = readObject(text);
    return found && tokensIn(found, wanted);
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

/**
 * The object that holds the tokens, with names as OAuth has them: the outermost that has one. Of several, as in the store
 * of another tool, the one that is wanted, and never another one.
 */
export function tokensIn(document: Readonly<Record<string, unknown>>, wanted: WantedEntry): Pasted | OnlyOthers | null {
  const entries = entriesIn(document, [], [document]);
  const [first] = entries;
  if (!first) return null;
  if (first.path.length === 0) return first.tokens;
  const chosen = chosenOf(entries, wanted);
  if (chosen) return chosen.tokens;
  if (entries.length === 1 && isNobodys(first, wanted)) return first.tokens;
  return new OnlyOthers(entries.map(({ labels, path }) => labels[0] ?? path[0] ?? ''));
}

/** One object with tokens, and where it stands. */
interface StoreEntry {
  readonly tokens: Pasted;
  readonly path: readonly string[];
  /** What it is called: the keys that lead to it, and names beside it. */
  readonly labels: readonly string[];
  readonly addresses: readonly string[];
}

const DEEPEST = 8;
const LABELS = ['name', 'serverName', 'server_name', 'server', 'id', 'label', 'provider'];
const ADDRESS = /server|url|uri|resource|audience|endpoint/i;
/** Of a provider, which many servers may have. */
const NO_ADDRESS = /token|auth|issuer|regist|revo|jwks|redirect|callback|icon|logo|client/i;

function entriesIn(value: unknown, path: readonly string[], around: readonly Record<string, unknown>[]): StoreEntry[] {
  if (Array.isArray(value)) return value.flatMap((item: unknown) => inner(item, path, around));
  if (!isRecord(value) || path.length > DEEPEST) return [];
  const named = withOAuthNames(value);
  if (named.access_token === undefined && named.refresh_token === undefined) {
    return Object.entries(value).flatMap(([key, item]) => inner(item, [...path, key], around));
  }
  const cleaned = { ...named };
  for (const field of ['access_token', 'refresh_token']) {
    const token = named[field];
    if (typeof token === 'string') cleaned[field] = cleanToken(token);
  }
  const beside = around.filter((one) => one !== value).map(withOAuthNames);
  // The outermost object is the store itself, or a wrapper.
  const own = around.slice(1);
  const words = own.flatMap((one) => LABELS.flatMap((field) => (typeof one[field] === 'string' ? [one[field]] : [])));
  const texts = own.flatMap((one) =>
    Object.entries(one).flatMap(([key, text]) =>
      typeof text === 'string' && ADDRESS.test(key) && !NO_ADDRESS.test(key) ? [text] : [],
    ),
  );
  return [
    {
      tokens: withTimes(cleaned, beside),
      path,
      labels: [...path.filter((key) => !isGeneric(key)), ...words, ...path.filter(isGeneric)],
      addresses: [...texts, ...path].flatMap((text) => text.match(/https?:\/\/[^\s\]"'|]+/gi) ?? []),
    },
  ];
}

function inner(value: unknown, path: readonly string[], around: readonly Record<string, unknown>[]): StoreEntry[] {
  return entriesIn(value, path, isRecord(value) ? [...around, value] : around);
}

/** When tokens end, or since when they count, may stand beside the object that holds them. */
function withTimes(tokens: Pasted, around: readonly Record<string, unknown>[]): Pasted {
  const found: Record<string, unknown> = {};
  for (const one of around.toReversed()) {
    for (const field of ['expires_at', ...OBTAINED_FIELDS]) {
      if (one[field] !== undefined && one[field] !== null) found[field] ??= one[field];
    }
  }
  return { ...found, ...tokens };
}

/** The only one that fits best: by the whole address, by name, by where the address is, by a part of the name, by its provider. */
function chosenOf(entries: readonly StoreEntry[], wanted: WantedEntry): StoreEntry | null {
  const names = wanted.names.map(plainName);
  const hrefs = wanted.addresses.map(plainAddress);
  const origins = wanted.addresses.flatMap(originOf);
  const provider = wanted.provider === null ? [] : [plainName(wanted.provider)];
  const isCalled = ({ labels }: StoreEntry, some: readonly string[]): boolean =>
    labels.some((label) => [...label.split('|'), withoutGeneric(label)].some((part) => some.includes(plainName(part))));
  const fits: readonly ((entry: StoreEntry) => boolean)[] = [
    ({ addresses }) => addresses.some((address) => hrefs.includes(plainAddress(address))),
    ({ labels }) => labels.some((label) => label.split('|').some((part) => names.includes(plainName(part)))),
    ({ addresses }) => addresses.flatMap(originOf).some((origin) => origins.includes(origin)),
    (entry) => isCalled(entry, names),
    (entry) => isCalled(entry, provider) && !isElsewhere(entry, wanted),
  ];
  for (const [index, isFit] of fits.entries()) {
    const fitting = entries.filter(isFit);
    const best = fits.slice(index + 1).reduce((left, also) => {
      const both = left.filter(also);
      return both.length > 0 ? both : left;
    }, fitting);
    const [only] = best;
    if (only && best.every(({ tokens }) => isSame(tokens, only.tokens))) return only;
    if (only) return null;
  }
  return null;
}

function isSame(a: Pasted, b: Pasted): boolean {
  return a.access_token === b.access_token && a.refresh_token === b.refresh_token;
}

/** Words for the object that an answer is in, which say nothing of whose it is. */
const GENERIC =
  /^(?:access|account|answer|api|app|auth|authentication|authorization|body|claude|client|code|content|context|cred|credential|credentials|creds|current|data|default|details|entry|envelope|grant|info|item|json|login|mcp|message|native|oauth|oauth2|object|output|payload|profile|raw|record|refresh|reply|response|result|results|secret|secrets|server|servers|session|state|store|success|sub|token|tokenset|tokens|user|value|wrapper|d|\d{1,2})$/i;

function isGeneric(key: string): boolean {
  return withoutGeneric(key) === '';
}

function withoutGeneric(key: string): string {
  const words = key.replace(/([a-z\d])([A-Z])/g, '$1 $2').split(/[^\p{L}\p{N}]+/u);
  return words.filter((word) => word !== '' && !GENERIC.test(word)).join('-');
}

/** Whether nothing says that the only tokens there are another server's. */
function isNobodys(entry: StoreEntry, wanted: WantedEntry): boolean {
  return entry.path.every(isGeneric) && !isElsewhere(entry, wanted);
}

function isElsewhere({ addresses }: StoreEntry, wanted: WantedEntry): boolean {
  const origins = wanted.addresses.flatMap(originOf);
  return origins.length > 0 && addresses.flatMap(originOf).some((origin) => !origins.includes(origin));
}

function plainName(name: string): string {
  return keyOf(name).toLowerCase().replace(/_/g, '-');
}

function plainAddress(address: string): string {
  return URL.canParse(address) ? new URL(address).href.replace(/\/$/, '') : address;
}

function originOf(address: string): string[] {
  return URL.canParse(address) ? [new URL(address).origin] : [];
}

const OTHER_NAMES: Readonly<Record<string, string>> = {
  accessToken: 'access_token',
  refreshToken: 'refresh_token',
  expiresIn: 'expires_in',
  expiresAt: 'expires_at',
  expires_on: 'expires_at',
  expiresOn: 'expires_at',
  expiry: 'expires_at',
  expiry_date: 'expires_at',
  expiryDate: 'expires_at',
  obtainedAt: 'obtained_at',
  savedAt: 'saved_at',
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
