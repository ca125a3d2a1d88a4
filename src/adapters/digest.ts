import { hash } from 'node:crypto';
import type { Digest } from '../ports/digest.js';

/** SHA-256 over the texts, each kept apart from its neighbours. */
export const sha256: Digest = (...texts) => {
  return hash('sha256', texts.map((text) => (text === null ? '-' : `${text.length}:${encodable(text)}`)).join(''));
};

/** Halves of surrogate pairs would all become the same character of UTF-8. */
function encodable(text: string): string {
  return text.isWellFormed() ? text : JSON.stringify(text);
}
