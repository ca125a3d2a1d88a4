import { fileNameFor, stateNameOf } from '../ground/file-name.js';
import type { HistoryFile } from '../ground/file-types.js';
import { type History, NO_HISTORY } from '../ground/history.js';
import type { Digest } from '../ports/digest.js';
import type { Documents } from '../ports/documents.js';
import { FileError, type Files } from '../ports/files.js';
import type { HistoryStore, Place } from '../ports/stores.js';

const FOLDER = '.token-refresher/attempts';

/** The attempt journal: `.token-refresher/attempts/PLACE.json`, one for each place that a token is kept at. */
export function historyFiles(files: Files, documents: Documents, digest: Digest): HistoryStore {
  const known = new Map<string, { signature: string; history: History }>();
  const pathOf = (place: Pick<Place, 'file' | 'at'>): string => `${FOLDER}/${stateNameOf(place, digest)}.json`;
  /** Up to version 0.1 it went by the token's name. */
  const formerPathOf = ({ name }: Place): string => `${FOLDER}/${fileNameFor(name, digest)}.json`;
  const save = async (history: History, write: Files['write']): Promise<void> => {
    const path = pathOf(history);
    // Remembered even if the disk refuses, so that a verdict is not forgotten and a server not asked again.
    known.set(path, { signature: files.signature(path), history });
    await write(path, `${JSON.stringify({ ...history, at: [...history.at] } satisfies HistoryFile)}\n`);
    known.set(path, { signature: files.signature(path), history });
  };
  const former = (place: Place): Partial<History> => {
    const path = formerPathOf(place);
    const found = files.signature(path) === '' ? {} : readHistory(files, documents, path);
    return found.file === undefined && found.token === place.name ? found : {};
  };
  return {
    read(place) {
      const path = pathOf(place);
      const signature = files.signature(path);
      const before = known.get(path);
      if (before?.signature === signature) return before.history;
      const found = signature === '' ? former(place) : readHistory(files, documents, path);
      const history = { ...NO_HISTORY, ...found, token: place.name, file: place.file, at: place.at };
      known.set(path, { signature, history });
      return history;
    },
    write: (history) => save(history, files.write),
    note: (history) => save(history, files.put),
    async remove(place) {
      const path = pathOf(place);
      if (former(place).token !== undefined) await files.remove(formerPathOf(place));
      await files.remove(path);
      known.delete(path);
    },
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
