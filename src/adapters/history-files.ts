import { fileNameFor } from '../ground/file-name.js';
import { type History, NO_HISTORY } from '../ground/history.js';
import { isRecord } from '../ground/problem.js';
import type { Digest } from '../ports/digest.js';
import type { Files } from '../ports/files.js';
import type { HistoryStore } from '../ports/stores.js';

/** The attempt journal: `.token-refresher/attempts/NAME.json`, one for each token. */
export function historyFiles(files: Files, digest: Digest): HistoryStore {
  const known = new Map<string, { signature: string; history: History }>();
  const pathOf = (token: string): string => `.token-refresher/attempts/${fileNameFor(token, digest)}.json`;
  const signatureOf = (path: string): string => files.look(path)?.signature ?? '';
  return {
    read(token) {
      const path = pathOf(token);
      const signature = signatureOf(path);
      const before = known.get(token);
      if (before?.signature === signature) return before.history;
      const history = { ...NO_HISTORY, ...(signature === '' ? {} : readHistory(files, path)), token };
      known.set(token, { signature, history });
      return history;
    },
    async write(history) {
      const path = pathOf(history.token);
      // Remembered even if the disk refuses, so that a verdict is not forgotten and a server not asked again.
      known.set(history.token, { signature: signatureOf(path), history });
      await files.write(path, `${JSON.stringify(history)}\n`);
      known.set(history.token, { signature: signatureOf(path), history });
    },
  };
}

/** A damaged journal is an empty one: it only ever makes the program more careful. */
function readHistory(files: Files, path: string): Partial<History> {
  try {
    const value: unknown = JSON.parse(files.read(path));
    return isRecord(value) && typeof value.generation === 'number' ? value : {};
  } catch {
    return {};
  }
}
