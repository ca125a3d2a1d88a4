import { type MomentStyle, readMoment, writeMoment } from '../moment.js';
import { isRecord } from '../problem.js';
import { fileStem, readToken, type Token } from '../token.js';
import { updateFields } from './fields.js';
import type { TokenFormat, Update } from './format.js';

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
    const stamp = at[0] === 'client_credentials' ? 'obtained_at' : 'refreshed_at';
    const next = updateAt(document, at, (fields) => ({
      ...updateFields(fields, update),
      ...stamped(fields, stamp, update),
    }));
    return { ...next, ...stamped(document, 'last_updated', update) };
  },
};

/** When it was, in the style it had, else as Kroger's own store has it. */
function stamped(fields: Readonly<Record<string, unknown>>, name: string, { now }: Update): Record<string, unknown> {
  return { [name]: writeMoment(now, readMoment(fields[name])?.style ?? EPOCH) };
}

const EPOCH: MomentStyle = { kind: 'epoch', decimals: 6, text: false };

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
