import { readlinkSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/** Where a path really leads: a symbolic link is followed to what it points at, also when that is not there yet. */
export function realTarget(path: string, depth = 0): string {
  try {
    return realpathSync.native(path);
  } catch {
    const folder = realFolder(dirname(path));
    const next = linkAt(path);
    return next === null || depth > 8 ? join(folder, basename(path)) : realTarget(resolve(folder, next), depth + 1);
  }
}

function realFolder(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    return path;
  }
}

function linkAt(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
