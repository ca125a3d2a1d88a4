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

/** The token in the wanted one's file, with what its definition adds; what the file says itself counts first. */
export function asWanted(token: Token, wanted: Wanted): Token {
  const provider = token.provider ?? wanted.fields.provider ?? null;
  return { ...token, provider, wanted, fields: { ...wanted.fields, ...token.fields } };
}

/** A wanted token of which there is no file yet. */
export function notYetThere(wanted: Wanted): Token {
  return asWanted(readToken({ name: tokenName(wanted.file), file: wanted.file, at: [] }, {}, null), wanted);
}

/** What its file says when it is made. */
export function firstContent({ fields }: Wanted): Record<string, unknown> {
  return { provider: fields.provider, ...NO_TOKEN };
}
