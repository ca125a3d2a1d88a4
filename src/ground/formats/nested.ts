import { isRecord } from '../problem.js';
import { readToken, tokenName } from '../token.js';
import { updateFields } from './fields.js';
import type { TokenFormat } from './format.js';

/** One token, one level down: what is around it stays as it is. */
export const nested: TokenFormat = {
  schema: 'token-file',
  recognises: (_file, document) => !holdsToken(document) && keyOf(document) !== null,
  read(file, document) {
    const key = keyOf(document);
    const fields = key === null ? undefined : document[key];
    if (key === null || !isRecord(fields)) return [];
    const provider = typeof document.provider === 'string' ? document.provider : null;
    const token = readToken({ name: tokenName(file), file, at: [key] }, fields, provider);
    return token.access || token.refresh ? [token] : [];
  },
  update(document, [key = ''], update) {
    const fields = Object.hasOwn(document, key) ? document[key] : null;
    return { ...document, [key]: updateFields(isRecord(fields) ? fields : {}, update) };
  },
};

/** The one object in it that holds a token; null when there is none, or several. */
function keyOf(document: Readonly<Record<string, unknown>>): string | null {
  const keys = Object.keys(document).filter((key) => {
    const value = document[key];
    return isRecord(value) && holdsToken(value);
  });
  return keys.length === 1 ? (keys[0] ?? null) : null;
}

function holdsToken(document: Readonly<Record<string, unknown>>): boolean {
  return ['access_token', 'refresh_token'].some((name) => typeof document[name] === 'string' && document[name] !== '');
}
