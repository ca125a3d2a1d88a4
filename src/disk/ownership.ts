import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  mkdirSync,
  openSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/** Whose a file or folder is. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * `sudo` in somebody's project: whatever root makes or replaces there is that somebody's, or their own program could
 * neither read nor replace it. Null where nothing has to be given away: to anybody but root, and in root's own folders.
 */
export function ownerIn(folder: string): Owner | null {
  if (process.getuid?.() !== 0) return null;
  const found = statOf(folder);
  return found && (found.uid !== 0 || found.gid !== 0) ? { uid: found.uid, gid: found.gid } : null;
}

/** A file that is replaced stays its owner's, unless that is root. */
export function ownerAfter(before: Owner | null, folder: string): Owner | null {
  if (process.getuid?.() !== 0) return null;
  return before && before.uid !== 0 ? { uid: before.uid, gid: before.gid } : ownerIn(folder);
}

/** By its descriptor: a name in somebody's folder may be a link to another file by now. */
export function giveFile(descriptor: number, owner: Owner | null): void {
  if (!owner) return;
  const { uid, gid } = fstatSync(descriptor);
  if (uid !== owner.uid || gid !== owner.gid) fchownSync(descriptor, owner.uid, owner.gid);
}

/**
 * Makes a private folder, and those on the way to it that are missing below `base`, which has to be there: a base that
 * was moved away or unmounted is not to be made anew. They become those of the owner of `base`.
 */
export function makeFolderIn(base: string, path: string): void {
  const owner = ownerIn(base);
  let folder = base;
  for (const name of path.split(/[\\/]/).filter((part) => part !== '' && part !== '.')) {
    folder = join(folder, name);
    try {
      mkdirSync(folder, { mode: 0o700 });
      if (owner) giveFolder(folder, owner);
    } catch (error) {
      if (!statOf(folder)?.isDirectory()) throw error;
    }
  }
}

function giveFolder(path: string, owner: Owner): void {
  const folder = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    giveFile(folder, owner);
  } finally {
    closeSync(folder);
  }
}

/** Makes a file anew, which becomes the owner's of `base`. */
export function writeFileIn(base: string, path: string, text: string, mode = 0o600): void {
  rmSync(path, { force: true });
  const file = openSync(path, 'wx', mode);
  try {
    writeFileSync(file, text);
    // The process may mask what was asked for; and not every file system has such modes to set.
    if ((fstatSync(file).mode & 0o777) !== mode) chmodIfPossible(file, mode);
    giveFile(file, ownerIn(base));
  } finally {
    closeSync(file);
  }
}

function chmodIfPossible(file: number, mode: number): void {
  try {
    fchmodSync(file, mode);
  } catch {
    // Then it has the mode that its mount gives to all.
  }
}

/** The nearest folder on the way to a path that is there. */
export function nearestFolder(path: string): string {
  return statOf(path)?.isDirectory() || dirname(path) === path ? path : nearestFolder(dirname(path));
}

function statOf(path: string): Stats | null {
  try {
    return statSync(path, { throwIfNoEntry: false }) ?? null;
  } catch {
    return null;
  }
}
