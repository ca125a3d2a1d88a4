import { readToken, tokenName } from '../token.js';
import { updateFields } from './fields.js';
import type { TokenFormat } from './format.js';

/** One token, the whole file: what the gateway's scripts and the portal write. */
export const single: TokenFormat = {
  schema: 'token-file',
  recognises: () => true,
  read(file, document) {
    if (!('access_token' in document) && !('refresh_token' in document)) return [];
    const token = readToken({ name: tokenName(file), file, at: [] }, document, null);
    return token.access || token.refresh ? [token] : [];
  },
  update: (document, _at, update) => updateFields(document, update),
};
