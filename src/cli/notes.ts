import { readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolderIn, writeFileIn } from '../disk/ownership.js';

const FOLDER = '.token-refresher';

/**
 * Small files in `.token-refresher/` by which the daemon tells other processes about itself. Whole at any moment,
 * but not worth an fsync; and a disk that refuses them is no reason to stop.
 */
export function writeNote(root: string, name: string, note: object): void {
  const folder = join(root, FOLDER);
  const temporary = join(folder, `.${name}.${process.pid}.0.token-refresher.tmp`);
  try {
    makeFolderIn(root, FOLDER);
    writeFileIn(root, temporary, `${JSON.stringify(note)}\n`);
    renameSync(temporary, join(folder, name));
  } catch {
    // Whoever looks for it does without.
  }
}

/** Null when there is none, or no good one. */
export function readNote(root: string, name: string): unknown {
  try {
    return JSON.parse(readFileSync(join(root, FOLDER, name), 'utf8'));
  } catch {
    return null;
  }
}

export function removeNote(root: string, name: string): void {
  rmSync(join(root, FOLDER, name), { force: true });
}
