import { formatOf } from '../ground/formats/index.js';
import { isRecord } from '../ground/problem.js';
import type { Secret } from '../ground/secret.js';
import type { Token } from '../ground/token.js';
import type { Documents } from '../ports/documents.js';
import { FileError, type Files } from '../ports/files.js';
import type { Locks } from '../ports/locks.js';
import type { TokenStore } from '../ports/stores.js';

/** Room for tokens that are longer than those they replace. */
const ROOM_BYTES = 16 * 1024;
/** Seconds that the tokens of one file wait for one another. */
const FILE_PATIENCE = 30;

/** Tokens in files, each kept as whoever wrote it laid it out. */
export function tokenFiles(files: Files, documents: Documents, locks: Locks): TokenStore {
  const read = (file: string): { text: string; document: Record<string, unknown> } | null => {
    if (files.look(file)?.kind !== 'file') return null;
    const text = files.read(file);
    const parsed = documents.parse(text);
    return 'value' in parsed && isRecord(parsed.value) ? { text, document: parsed.value } : null;
  };
  const tokenIn = (document: Record<string, unknown>, { file, at }: Token): Token | null => {
    const tokens = formatOf(file, document).read(file, document);
    return tokens.find((token) => token.at.join('\0') === at.join('\0')) ?? null;
  };
  const reread = (token: Token): Token | null => {
    const now = read(token.file);
    const found = now && tokenIn(now.document, token);
    return found && { ...found, name: token.name };
  };

  return {
    reread: async (token) => reread(token),
    async reserve(token) {
      const room = await files.reserve(token.file, ROOM_BYTES);
      return {
        release: () => room.release(),
        async save(update) {
          // Two tokens of one file, each under its own lock, would overwrite one another's.
          const lock = await locks.acquire(`file ${token.file}`, FILE_PATIENCE);
          if (!lock) throw new FileError('ELOCKED', 'is being written by another program');
          try {
            const now = read(token.file);
            if (!now && files.look(token.file)) throw new FileError('EBUSY', 'is being written by another program');
            const there = now && tokenIn(now.document, token);
            if (!now || !there || !same(there, token)) {
              await room.release();
              return 'superseded';
            }
            const next = formatOf(token.file, now.document).update(now.document, token.at, update);
            await room.fill(layOut(next, now.text));
            return 'saved';
          } finally {
            await lock.release();
          }
        },
      };
    },
  };
}

/** Whether the store still holds what was spent: the refresh token, or the access token where there is none. */
function same(there: Token, spent: Token): boolean {
  return spent.refresh ? equal(there.refresh, spent.refresh) : equal(there.access, spent.access);
}

function equal(a: Secret | null, b: Secret | null): boolean {
  return a?.reveal() === b?.reveal();
}

/** JSON with the indentation and the end of the text it replaces. */
function layOut(document: unknown, before: string): string {
  const indentation = /^\uFEFF?\s*\{\r?\n([ \t]+)"/.exec(before)?.[1];
  const compact = /^\uFEFF?\s*\{\s*"/.test(before) && indentation === undefined;
  return JSON.stringify(document, null, compact ? undefined : (indentation ?? 2)) + (before.endsWith('\n') ? '\n' : '');
}
