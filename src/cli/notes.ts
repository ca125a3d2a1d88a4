import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Small files in `.token-refresher/` by which the daemon tells other processes about itself. Whole at any moment,
 * but not worth an fsync; and a disk that refuses them is no reason to stop.
 */
export function writeNote(root: string, name: string, note: object): void {
  const folder = join(root, '.token-refresher');
  const temporary = join(folder, `.${name}.${process.pid}.0.token-refresher.tmp`);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(temporary, `${JSON.stringify(note)}\n`, { mode: 0o600 });
    renameSync(temporary, join(folder, name));
  } catch {
    // Whoever looks for it does without.
  }
}

/** Null when there is none, or no good one. */
export function readNote(root: string, name: string): unknown {
  try {
    return JSON.parse(readFileSync(join(root, '.token-refresher', name), 'utf8'));
  } catch {
    return null;
  }
}

export function removeNote(root: string, name: string): void {
  rmSync(join(root, '.token-refresher', name), { force: true });
}
