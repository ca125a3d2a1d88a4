import { applyEdits, type FormattingOptions, modify } from 'jsonc-parser';
import type { Update } from '../ground/formats/format.js';
import { formatOf } from '../ground/formats/index.js';
import { isRecord } from '../ground/problem.js';
import type { Secret } from '../ground/secret.js';
import type { Token } from '../ground/token.js';
import type { Documents } from '../ports/documents.js';
import { FileError, type Files, type Reservation } from '../ports/files.js';
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

  const save = async (token: Token, room: Reservation, update: Update): Promise<Token | 'superseded'> => {
    const now = read(token.file);
    if (!now && files.look(token.file)) throw new FileError('EBUSY', 'is being written by another program');
    const there = now && tokenIn(now.document, token);
    if (!now || !there || !same(there, token)) {
      await room.release();
      return 'superseded';
    }
    const next = formatOf(token.file, now.document).update(now.document, token.at, update);
    await room.fill(rewrite(now.text.replace(/^\uFEFF/, ''), now.document, next));
    return { ...(tokenIn(next, token) ?? there), name: token.name };
  };

  return {
    reread: async (token) => reread(token),
    async reserve(token) {
      const room = await files.reserve(token.file, ROOM_BYTES);
      return {
        release: () => room.release(),
        async save(update) {
          if (token.at.length === 0) return save(token, room, update);
          // Two tokens of one file, each under its own lock, would overwrite one another's.
          const lock = await locks.acquire(`file ${token.file}`, FILE_PATIENCE);
          if (!lock) throw new FileError('ELOCKED', 'is being written by another program');
          try {
            return await save(token, room, update);
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

/**
 * The text with only what has changed written anew: layout, and numbers that JavaScript cannot hold, stay as they
 * were.
 */
function rewrite(
  text: string,
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
  path: readonly string[] = [],
): string {
  let next = text;
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [was, is] = [before[key], after[key]];
    if (was === is) continue;
    if (isRecord(was) && isRecord(is)) next = rewrite(next, was, is, [...path, key]);
    else next = applyEdits(next, modify(next, [...path, key], is, { formattingOptions: layoutOf(text) }));
  }
  return next;
}

function layoutOf(text: string): FormattingOptions {
  const indentation = /^\s*\{\r?\n([ \t]+)"/.exec(text)?.[1] ?? '  ';
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  return { insertSpaces: !indentation.startsWith('\t'), tabSize: indentation.length, eol };
}
