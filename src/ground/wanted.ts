import type { WantedTokenFile } from './file-types.js';
import { NO_TOKEN, readToken, type Token, tokenName, type Wanted } from './token.js';

const FIELDS = ['provider', 'grant_type', 'scope', 'resource', 'audience', 'user_id'] as const;

/** Reads a definition that its schema has accepted. */
export function readWanted(document: WantedTokenFile, definition: string): Wanted {
  const fields: Record<string, string> = {};
  for (const name of FIELDS) {
    const value = document[name];
    if (value !== undefined && value !== '') fields[name] = value;
  }
  return { definition, file: `.oauth-tokens/${document.name}.json`, fields };
}

/**
 * The token in the wanted one's file. What somebody else has put there counts before the definition; what was acquired
 * for it is of use only while that asks for the same.
 */
export function asWanted(token: Token, wanted: Wanted): Token {
  const provider = token.provider ?? wanted.fields.provider ?? null;
  const mark = token.fields.acquired_for;
  if (mark === undefined) return { ...token, provider, wanted, fields: { ...wanted.fields, ...token.fields } };
  const fields = { ...token.fields, ...wanted.fields };
  if (mark === markOf(wanted)) return { ...token, provider, wanted, fields };
  const nothing = {
    access: null,
    rendered: null,
    refresh: null,
    expiry: { at: null, clock: 'local', lifetime: null },
  } as const;
  const unrenderable = 'it was acquired for something else than is wanted now';
  return { ...token, ...nothing, unrenderable, provider: wanted.fields.provider ?? provider, wanted, fields };
}

/** What its file says beside the token: for whom and what it was acquired. */
export function acquiredFor(wanted: Wanted): Record<string, unknown> {
  return { provider: wanted.fields.provider, acquired_for: markOf(wanted) };
}

function markOf({ fields }: Wanted): string {
  return new URLSearchParams(fields).toString();
}

/** A wanted token of which there is no file yet. */
export function notYetThere(wanted: Wanted): Token {
  return asWanted(readToken({ name: tokenName(wanted.file), file: wanted.file, at: [] }, {}, null), wanted);
}

/** What its file says when it is made. */
export function firstContent({ fields }: Wanted): Record<string, unknown> {
  return { provider: fields.provider, ...NO_TOKEN };
}
