import type { TokenFormat } from './format.js';
import { nested } from './nested.js';
import { single } from './single.js';
import { store } from './store.js';

/** Every shape of token file; the first that recognises a file reads it. A new one is a file and a row here. */
const TOKEN_FORMATS: readonly TokenFormat[] = [store, nested, single];

export function formatOf(file: string, document: Readonly<Record<string, unknown>>): TokenFormat {
  return TOKEN_FORMATS.find((format) => format.recognises(file, document)) ?? single;
}
