import { randomBytes } from 'node:crypto';
import {
  accessSync,
  constants,
  lstatSync,
  readdirSync,
  readFileSync,
  realpathSync,
  type Stats,
  statSync,
  unlinkSync,
} from 'node:fs';
import { chown, mkdir, open, readlink, realpath, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import fastGlob from 'fast-glob';
import {
  codeOf,
  FileError,
  type Files,
  fileError,
  folderError,
  type Listed,
  type Reservation,
} from '../ports/files.js';

const TEMPORARY = /^\..*\.(\d+)\.[0-9a-f]+\.token-refresher\.tmp$/;
/** What rename says of a file that is a mount point of its own, as in `docker run -v file:file`. */
const NO_RENAME = new Set(['EBUSY', 'EXDEV']);
const SETTLED_MS = 1000;
const LEFT_OVER_AFTER = 10 * 60_000;

/**
 * Files below a folder on this machine's disk. A file that cannot be replaced is written in place, and `inPlace`
 * told: a power cut at that moment could then damage it.
 */
export function diskFiles(folder: string, inPlace: (path: string) => void = () => undefined): Files {
  const full = (path: string): string => join(folder, path);
  const names = new Map<string, { readonly signature: string; readonly paths: readonly string[] }>();
  /** What patterns match. The names in a folder change only with the folder itself, unless a pattern goes deeper. */
  const namesOf = (patterns: readonly string[], bases: readonly string[]): readonly string[] => {
    const key = patterns.join('\n');
    const flat = patterns.every((pattern) => !pattern.slice(baseOf(pattern).length).includes('/'));
    const signature = flat ? bases.map((base) => folderSignature(full(base))).join() : '';
    const before = names.get(key);
    if (signature !== '' && before?.signature === signature) return before.paths;
    // `dot` for .oauth-tokens itself; dot files inside it are for the caller to pass over.
    const options = { cwd: folder, dot: true, onlyFiles: false, suppressErrors: true };
    const paths = fastGlob.sync([...patterns], options).sort();
    names.set(key, { signature, paths });
    return paths;
  };
  const files: Files = {
    list(patterns) {
      // A folder that is not there is the usual case for most of the root's own, and globbing costs more than asking.
      const present = patterns.filter((pattern) => look(full(baseOf(pattern)), '')?.kind === 'folder');
      const bases = [...new Set(present.map(baseOf))];
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
    read(path) {
      try {
        return readFileSync(full(path), 'utf8');
      } catch (error) {
        throw fileError(error, 'cannot be read');
      }
    },
    write: (path, text) => replace(full(path), text, true, () => inPlace(path)),
    put: (path, text) => replace(full(path), text, false, () => inPlace(path)),
    reserve: (path, bytes) => reserve(full(path), bytes, () => inPlace(path)),
    async remove(path) {
      await unlink(full(path)).catch((error: unknown) => {
        if (codeOf(error) !== 'ENOENT') throw fileError(error, 'cannot be removed');
      });
    },
    sweep(folders) {
      for (const path of folders) sweep(full(path));
    },
  };
  return files;
}

/** Never the same for a folder that has just changed: the times of two changes may be one tick of the clock. */
function folderSignature(folder: string): string {
  const found = orNull(() => statSync(folder));
  const settled = found && Math.abs(Date.now() - found.ctimeMs) > SETTLED_MS;
  return found && settled ? signatureOf(found) : `${performance.now()}`;
}

function isReadable(folder: string): boolean {
  try {
    accessSync(folder, constants.R_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The folder that all a pattern matches is below. */
function baseOf(pattern: string): string {
  return /^((?:[^*?{[(!+@/]+\/)*)/.exec(pattern)?.[1] ?? '';
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
  return { path, kind, signature: signatureOf(found), size: found.size };
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

/** A file that is to be replaced, and the temporary one beside it that will take its place. */
interface Replacement {
  readonly target: string;
  readonly temporary: string;
  readonly before: Stats | null;
  readonly inPlace: () => void;
}

async function prepare(path: string, inPlace: () => void): Promise<Replacement> {
  const target = await realTarget(path);
  const unique = `${process.pid}.${randomBytes(4).toString('hex')}`;
  const temporary = join(dirname(target), `.${basename(target)}.${unique}.token-refresher.tmp`);
  const before = await stat(target).catch(() => null);
  if (before && !before.isFile()) throw new FileError('EEXIST', 'cannot be written: it is not a regular file');
  if (!before && target === path) {
    await mkdir(dirname(target), { recursive: true, mode: 0o700 }).catch((error: unknown) => {
      throw folderError(error, 'cannot be written');
    });
  }
  return { target, temporary, before, inPlace };
}

async function swap(
  { target, temporary, before, inPlace }: Replacement,
  text: string,
  durable: boolean,
): Promise<void> {
  try {
    await writeOver(temporary, Buffer.from(text), durable);
    // Only root can give files away; then the file stays its owner's.
    if (before && process.getuid?.() === 0) await chown(temporary, before.uid, before.gid);
    await rename(temporary, target).catch(async (error: unknown) => {
      if (!NO_RENAME.has(codeOf(error))) throw error;
      await writeOver(target, Buffer.from(text), durable);
      await unlink(temporary).catch(() => undefined);
      inPlace();
    });
    if (durable) await syncFolder(dirname(target));
  } catch (error) {
    throw fileError(error, 'cannot be written');
  }
}

async function replace(path: string, text: string, durable: boolean, inPlace: () => void): Promise<void> {
  const replacement = await prepare(path, inPlace);
  try {
    await swap(replacement, text, durable);
  } catch (error) {
    await unlink(replacement.temporary).catch(() => undefined);
    throw error;
  }
}

/**
 * The temporary file, filled with as many bytes as may be needed and on disk: what a full disk, a quota or a
 * read-only mount has to say, it says here, before anything is spent.
 */
async function reserve(path: string, bytes: number, inPlace: () => void): Promise<Reservation> {
  const replacement = await prepare(path, inPlace);
  const { temporary, before } = replacement;
  const release = (): Promise<void> => unlink(temporary).catch(() => undefined);
  try {
    await writeOver(temporary, Buffer.alloc((before?.size ?? 0) + bytes, ' '), true);
  } catch (error) {
    await release();
    throw fileError(error, 'cannot be written');
  }
  return { fill: (text) => swap(replacement, text, true), release };
}

/** Over what is there already, so that the blocks a reservation holds are used and not looked for anew. */
async function writeOver(path: string, content: Buffer, durable: boolean): Promise<void> {
  const file = await open(path, 'r+').catch(() => open(path, 'wx', 0o600));
  try {
    await file.write(content, 0, content.length, 0);
    await file.truncate(content.length);
    if (durable) await file.sync();
  } finally {
    await file.close();
  }
}

const syncing = new Map<string, { readonly running: Promise<void>; next: Promise<void> | null }>();

/**
 * Makes the renames in a folder durable. Whoever comes while a sync is under way shares the next one: that one
 * begins after all of their renames.
 */
function syncFolder(folder: string): Promise<void> {
  const busy = syncing.get(folder);
  if (busy) {
    busy.next ??= busy.running.catch(() => undefined).then(() => syncFolder(folder));
    return busy.next;
  }
  const running = syncNow(folder).finally(() => syncing.delete(folder));
  syncing.set(folder, { running, next: null });
  return running;
}

async function syncNow(folder: string): Promise<void> {
  if (process.platform === 'win32') return; // folders cannot be opened there
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A symbolic link is followed to what it points at, also when that is not there yet. */
async function realTarget(path: string, depth = 0): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    const folder = await realpath(dirname(path)).catch(() => dirname(path));
    const next = await readlink(path).catch(() => null);
    return next === null || depth > 8 ? join(folder, basename(path)) : realTarget(resolve(folder, next), depth + 1);
  }
}

function sweep(folder: string): void {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return;
  }
  for (const name of names) {
    const pid = TEMPORARY.exec(name)?.[1];
    if (pid === undefined) continue;
    const path = join(folder, name);
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0);
    if (age < LEFT_OVER_AFTER && Number(pid) !== process.pid && isRunning(Number(pid))) continue;
    try {
      unlinkSync(path);
    } catch {
      // Gone already, or not ours to remove: it does no harm.
    }
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
