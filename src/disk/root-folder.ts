import { type BigIntStats, statSync } from 'node:fs';
import { join } from 'node:path';
import { FileError } from '../ports/files.js';

/** What makes a folder a project root. */
const MARKS = ['.oauth-tokens', 'registry/servers'];

/** A root that may be moved away or unmounted while a program works in it. */
export interface RootFolder {
  /** False while another folder, or none, is in its place: the mount point below it, for one. */
  isHere(): boolean;
  /** Throws a FileError while it is away. To be called before anything is made in it. */
  require(): void;
}

/**
 * Goes by what the folder was when it was first seen. Where another one is there now it is taken for the root all the
 * same if it looks like one: after a remount, a restore, and on file systems whose numbers do not last.
 */
export function rootFolder(path: string): RootFolder {
  let known = identityOf(path);
  const isHere = (): boolean => {
    const now = identityOf(path);
    if (now === null) return known === null;
    if (known === null || now === known || MARKS.some((mark) => identityOf(join(path, mark)) !== null)) known = now;
    return now === known;
  };
  return {
    isHere,
    require() {
      if (!isHere()) throw new FileError('ENOENT', 'cannot be written: its folder was moved away or unmounted');
    },
  };
}

function identityOf(path: string): string | null {
  try {
    const found: BigIntStats | undefined = statSync(path, { bigint: true, throwIfNoEntry: false });
    return found?.isDirectory() ? `${found.dev}:${found.ino}` : null;
  } catch {
    return null;
  }
}
