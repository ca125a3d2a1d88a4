import { readMoment, writeMoment } from '../moment.js';
import { isRecord } from '../problem.js';
import { fileStem, readToken, type Token } from '../token.js';
import { updateFields } from './fields.js';
import type { TokenFormat } from './format.js';

/** Many tokens in one file: `user_tokens` by user, and `client_credentials` of the client itself. */
export const store: TokenFormat = {
  schema: 'token-store',
  recognises: (_file, document) => isRecord(document.user_tokens) || isRecord(document.client_credentials),
  read(file, document) {
    const provider = storeName(file);
    const found: Token[] = [];
    const add = (name: string, at: readonly string[], fields: unknown): void => {
      if (!isRecord(fields)) return;
      const token = readToken({ name: `${provider}:${name}`, file, at }, fields, provider);
      if (token.access || token.refresh) found.push(token);
    };
    for (const [user, fields] of Object.entries(isRecord(document.user_tokens) ? document.user_tokens : {})) {
      add(user, ['user_tokens', user], fields);
    }
    add('client_credentials', ['client_credentials'], document.client_credentials);
    return found;
  },
  update(document, at, update) {
    const next = updateAt(document, at, (fields) => updateFields(fields, update));
    const style = readMoment(document.last_updated)?.style;
    return style ? { ...next, last_updated: writeMoment(update.now, style) } : next;
  },
};

/** `.kroger_tokens.json` is the store, and the provider, `kroger`. */
function storeName(file: string): string {
  return fileStem(file)
    .replace(/^\./, '')
    .replace(/[_-]tokens$/, '');
}

function updateAt(
  document: Readonly<Record<string, unknown>>,
  [key, ...rest]: readonly string[],
  change: (fields: Readonly<Record<string, unknown>>) => Record<string, unknown>,
): Record<string, unknown> {
  if (key === undefined) return change(document);
  const inner = document[key];
  return { ...document, [key]: updateAt(isRecord(inner) ? inner : {}, rest, change) };
}
