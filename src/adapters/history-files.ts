import { fileNameFor } from '../ground/file-name.js';
import type { HistoryFile } from '../ground/file-types.js';
import { type History, NO_HISTORY } from '../ground/history.js';
import type { Digest } from '../ports/digest.js';
import type { Documents } from '../ports/documents.js';
import { FileError, type Files } from '../ports/files.js';
import type { HistoryStore } from '../ports/stores.js';

/** The attempt journal: `.token-refresher/attempts/NAME.json`, one for each token. */
export function historyFiles(files: Files, documents: Documents, digest: Digest): HistoryStore {
  const known = new Map<string, { signature: string; history: History }>();
  const pathOf = (token: string): string => `.token-refresher/attempts/${fileNameFor(token, digest)}.json`;
  const save = async (history: History, write: Files['write']): Promise<void> => {
    const path = pathOf(history.token);
    // Remembered even if the disk refuses, so that a verdict is not forgotten and a server not asked again.
    known.set(history.token, { signature: files.signature(path), history });
    await write(path, `${JSON.stringify(history satisfies HistoryFile)}\n`);
    known.set(history.token, { signature: files.signature(path), history });
  };
  return {
    read(token) {
      const path = pathOf(token);
      const signature = files.signature(path);
      const before = known.get(token);
      if (before?.signature === signature) return before.history;
      const history = { ...NO_HISTORY, ...(signature === '' ? {} : readHistory(files, documents, path)), token };
      known.set(token, { signature, history });
      return history;
    },
    write: (history) => save(history, files.write),
    note: (history) => save(history, files.put),
  };
}

/** A damaged journal is an empty one: the refresh token itself is in its own file, and good. */
function readHistory(files: Files, documents: Documents, path: string): Partial<History> {
  try {
    const parsed = documents.parse(files.read(path));
    const good = 'value' in parsed && documents.validate('history', parsed.value).length === 0;
    return good ? (parsed.value as HistoryFile) : {};
  } catch (error) {
    if (error instanceof FileError) return {};
    throw error;
  }
}
