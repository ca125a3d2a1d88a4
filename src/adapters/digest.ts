import { createHash } from 'node:crypto';
import type { Digest } from '../ports/digest.js';

/** SHA-256 over the texts, each kept apart from its neighbours. */
export const sha256: Digest = (...texts) => {
  const hash = createHash('sha256');
  for (const text of texts) hash.update(text === null ? '-' : `${text.length}:${text}`);
  return hash.digest('hex');
};
