import {
  accessSync,
  constants,
  lstatSync,
  readdirSync,
  readFileSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs';
import { unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import fastGlob from 'fast-glob';
import { rootFolder } from '../../disk/root-folder.js';
import { globBase } from '../../ground/glob.js';
import { codeOf, type Files, fileError, type Listed } from '../../ports/files.js';
import { decode } from './bytes.js';
import { discard, type InPlace, replace, reserve, temporaryOf } from './replace.js';

const SETTLED_MS = 1000;
const LEFT_OVER_AFTER = 10 * 60_000;

/**
 * Files below a folder on this machine's disk. A file that cannot be replaced is written in place, and `inPlace`
 * told. Nothing is written while the folder is away.
 */
export function diskFiles(
  folder: string,
  inPlace: (path: string, why: InPlace) => void = () => undefined,
  root = rootFolder(folder),
): Files {
  const full = (path: string): string => join(folder, path);
  const replaced = (path: string) => ({
    path: full(path),
    base: folder,
    root,
    inPlace: (why: InPlace) => inPlace(path, why),
  });
  const names = new Map<string, { readonly signature: string; readonly paths: readonly string[] }>();
  /** What patterns match. The names in a folder change only with the folder itself, unless a pattern goes deeper. */
  const namesOf = (patterns: readonly string[], bases: readonly string[]): readonly string[] => {
    const key = patterns.join('\n');
    const flat = patterns.every((pattern) => !pattern.slice(globBase(pattern).length).includes('/'));
    const signature = flat ? bases.map((base) => folderSignature(full(base))).join() : '';
    const before = names.get(key);
    if (signature !== '' && before?.signature === signature) return before.paths;
    // `dot` for .oauth-tokens itself; dot files inside it are for the caller to pass over.
    const options = { cwd: folder, dot: true, onlyFiles: false, suppressErrors: true };
    const paths = fastGlob.sync([...patterns], options).sort();
    names.set(key, { signature, paths });
    return paths;
  };
  const folders = new Map<string, { readonly signature: string; readonly names: readonly string[] }>();
  const files: Files = {
    names(path) {
      const signature = folderSignature(full(path));
      const before = folders.get(path);
      if (before?.signature === signature) return before.names;
      const found = namesIn(full(path)).filter((name) => temporaryOf(name) === null);
      const isSame =
        before?.names.length === found.length && found.every((name, index) => before.names[index] === name);
      const names = before && isSame ? before.names : found;
      folders.set(path, { signature, names });
      return names;
    },
    list(patterns) {
      // A folder that is not there is the usual case for most of the root's own, and globbing costs more than asking.
      const present = patterns.filter((pattern) => look(full(globBase(pattern)), '')?.kind === 'folder');
      const bases = [...new Set(present.map(globBase))];
      const hidden = bases.filter((base) => !isReadable(full(base)));
      const found = hidden.map(
        (base): Listed => ({ path: base.slice(0, -1), kind: 'unreadable', signature: '', size: 0 }),
      );
      if (hidden.length === bases.length) return found;
      for (const path of namesOf(present, bases)) {
        const listed = look(full(path), path);
        if (listed) found.push(listed);
      }
      return found;
    },
    look: (path) => look(full(path), path),
    signature(path) {
      const found = orNull(() => statSync(full(path), { throwIfNoEntry: false }));
      return found ? signatureOf(found) : '';
    },
    homeOf(path) {
      try {
        return dirname(realpathSync(full(path)));
      } catch {
        return dirname(path);
      }
    },
    isLink: (path) => orNull(() => lstatSync(full(path), { throwIfNoEntry: false }))?.isSymbolicLink() === true,
    read(path) {
      try {
        return decode(readFileSync(full(path)));
      } catch (error) {
        throw fileError(error, 'cannot be read');
      }
    },
    write: async (path, text) => replace(replaced(path), text, true),
    put: async (path, text) => replace(replaced(path), text, false),
    reserve: async (path, bytes) => reserve(replaced(path), bytes),
    async remove(path) {
      // Of a link both: what it leads to would be found by its other name.
      for (const one of [realPath(full(path)), full(path)]) {
        await unlink(one).catch((error: unknown) => {
          if (codeOf(error) !== 'ENOENT') throw fileError(error, 'cannot be removed');
        });
      }
    },
    sweep(folders) {
      for (const path of new Set(folders.map((one) => resolve(folder, one)))) sweep(path);
    },
  };
  return files;
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** Never the same for a folder that has just changed: the times of two changes may be one tick of the clock. */
function folderSignature(folder: string): string {
  const found = orNull(() => statSync(folder));
  const settled = found && Math.abs(Date.now() - found.ctimeMs) > SETTLED_MS;
  return found && settled ? signatureOf(found) : `${performance.now()}`;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isReadable(folder: string): boolean {
  try {
    accessSync(folder, constants.R_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Files that stay as they are while the program runs: its package. Each is listed once. */
export function lastingFiles(files: Files): Files {
  const lists = new Map<string, readonly Listed[]>();
  return {
    ...files,
    list(patterns) {
      const key = patterns.join('\n');
      const listed = lists.get(key) ?? files.list(patterns);
      lists.set(key, listed);
      return listed;
    },
  };
}

function look(absolute: string, path: string): Listed | null {
  const found = orNull(() => statSync(absolute, { throwIfNoEntry: false }));
  if (!found) {
    const link = orNull(() => lstatSync(absolute));
    return link ? { path, kind: 'dangling', signature: `dangling:${link.ino}`, size: 0 } : null;
  }
  const kind = found.isFile() ? 'file' : found.isDirectory() ? 'folder' : 'other';
  const bits = process.platform === 'win32' ? {} : { mode: found.mode & 0o777 };
  return { path, kind, signature: signatureOf(found), size: found.size, ...bits };
}

/** The change time moves with every write, even one that sets the modification time back. */
function signatureOf({ ino, size, mtimeMs, ctimeMs }: Stats): string {
  return `${ino}:${size}:${mtimeMs}:${ctimeMs}`;
}

/** Null also for links in a circle, and where a folder on the way may not be entered or is none. */
function orNull(look: () => Stats | undefined): Stats | null {
  try {
    return look() ?? null;
  } catch {
    return null;
  }
}

function sweep(folder: string): void {
  for (const name of namesIn(folder)) {
    const temporary = temporaryOf(name);
    if (!temporary) continue;
    const { target, pid } = temporary;
    const path = join(folder, name);
    const age = Date.now() - (orNull(() => statSync(path))?.mtimeMs ?? 0);
    if (age < LEFT_OVER_AFTER && pid !== process.pid && isRunning(pid)) continue;
    discard(path, join(folder, target));
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}
