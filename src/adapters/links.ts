import { lstatSync, mkdirSync, readlinkSync, realpathSync, symlinkSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileError } from '../ports/files.js';
import type { Links } from '../ports/links.js';

export const diskLinks: Links = {
  look(path, target) {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (!found) return 'nothing';
    if (!found.isSymbolicLink()) return 'other';
    return real(resolve(dirname(path), readlinkSync(path))) === real(target) ? 'linked' : 'other';
  },
  make(path, target) {
    try {
      mkdirSync(dirname(path), { recursive: true });
      // From where the link really lies: `..` in it leads out of that folder.
      symlinkSync(relative(realpathSync(dirname(path)), real(target)), path);
    } catch (error) {
      throw fileError(error, `${path}: cannot be linked`);
    }
  },
};

/** The file may not be there yet; its folder says where it will be. */
function real(path: string): string {
  try {
    return join(realpathSync(dirname(path)), basename(path));
  } catch {
    return path;
  }
}
