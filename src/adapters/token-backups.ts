import { mkdirSync, statSync } from 'node:fs';
import { homedir, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { TokenBackup } from '../ground/backup.js';
import { stateNameOf } from '../ground/file-name.js';
import type { TokenBackupFile } from '../ground/file-types.js';
import { secretOrNull } from '../ground/secret.js';
import type { Digest } from '../ports/digest.js';
import type { Documents } from '../ports/documents.js';
import { FileError, type Files } from '../ports/files.js';
import type { BackupStore, Place } from '../ports/stores.js';

const FOLDER = '.token-refresher/tokens';

/**
 * `.token-refresher/tokens/PLACE.json`, one for each place; where the root can hold nothing, `elsewhere` does: private
 * folders of this user on this machine, in order of preference.
 */
export function tokenBackups(
  files: Files,
  elsewhere: readonly RescueFolder[],
  documents: Documents,
  digest: Digest,
): BackupStore {
  const nameOf = (place: Pick<Place, 'file' | 'at'>): string => `${stateNameOf(place, digest)}.json`;
  /** Only what was rescued is looked for there, and next to nothing ever is. */
  const rescued = (): Files[] => elsewhere.flatMap((folder) => folder.open() ?? []);

  const read = (from: Files, path: string): TokenBackup | null => {
    if (from.signature(path) === '') return null;
    try {
      const parsed = documents.parse(from.read(path));
      const good = 'value' in parsed && documents.validate('token-backup', parsed.value).length === 0;
      return good ? backupOf(parsed.value as TokenBackupFile) : null;
    } catch (error) {
      if (error instanceof FileError) return null;
      throw error;
    }
  };
  const forget = async (name: string): Promise<void> => {
    for (const place of rescued()) await place.remove(name).catch(() => undefined);
  };

  const save = async (backup: TokenBackup, write: 'write' | 'put'): Promise<void> => {
    const name = nameOf(backup);
    const text = `${JSON.stringify(fileOf(backup))}\n`;
    try {
      await files[write](`${FOLDER}/${name}`, text);
      await forget(name);
      return;
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      for (const folder of elsewhere) {
        const done = folder.make()?.[write](name, text);
        if (
          await done?.then(
            () => true,
            () => false,
          )
        )
          return;
      }
      throw error;
    }
  };

  return {
    read(place) {
      const name = nameOf(place);
      for (const from of rescued()) {
        const found = read(from, name);
        if (found) return found;
      }
      return read(files, `${FOLDER}/${name}`);
    },
    write: (backup) => save(backup, 'write'),
    note: (backup) => save(backup, 'put'),
    async remove(place) {
      const name = nameOf(place);
      for (const one of rescued()) await one.remove(name);
      await files.remove(`${FOLDER}/${name}`);
    },
    get rescued() {
      return rescued().flatMap((from) => from.names('.').flatMap((name) => read(from, name) ?? []));
    },
  };
}

/** A private folder outside the root. */
export interface RescueFolder {
  /** Null when it is not there. */
  open(): Files | null;
  /** Null when it cannot be had. */
  make(): Files | null;
}

/** Private folders of this user's for what the root at `root` cannot hold; made when they are first needed. */
export function rescueFolders(
  root: string,
  digest: Digest,
  filesIn: (folder: string) => Files,
  environment: Readonly<Record<string, string | undefined>>,
): RescueFolder[] {
  const name = digest(root).slice(0, 16);
  const state = environment.XDG_STATE_HOME || join(homedir(), '.local', 'state');
  const folders = [
    join(state, 'mcp-token-refresher', 'rescued', name),
    join(tmpdir(), `mcp-token-refresher-${userInfo().uid}`, name),
  ];
  return folders.map((folder) => {
    const open = (): Files | null => (isPrivate(folder) ? filesIn(folder) : null);
    return {
      open,
      make() {
        try {
          mkdirSync(folder, { recursive: true, mode: 0o700 });
        } catch {
          return null;
        }
        return open();
      },
    };
  });
}

/** A folder in a place that everybody may write to could be somebody else's. */
function isPrivate(folder: string): boolean {
  try {
    const { uid, mode } = statSync(folder);
    return uid === process.getuid?.() && (mode & 0o077) === 0;
  } catch {
    return false;
  }
}

function fileOf({ update, ...backup }: TokenBackup): TokenBackupFile {
  const { grant, now, expiresAt } = update;
  return {
    token: backup.name,
    file: backup.file,
    at: [...backup.at],
    grant: { ...grant, access: grant.access?.reveal() ?? null, refresh: grant.refresh?.reveal() ?? null },
    obtainedAt: now,
    expiresAt,
    replaced: backup.replaced,
    saved: backup.saved,
  };
}

function backupOf({ token, file, at, grant, obtainedAt, expiresAt, replaced, saved }: TokenBackupFile): TokenBackup {
  const tokens = { access: secretOrNull(grant.access), refresh: secretOrNull(grant.refresh) };
  const update = { grant: { ...grant, ...tokens }, now: obtainedAt, expiresAt };
  return { name: token, file, at, update, replaced, saved };
}
