import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  fsync,
  ftruncateSync,
  mkdirSync,
  open,
  readlinkSync,
  realpathSync,
  rename,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { chown, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { codeOf, FileError, fileError, folderError, type Reservation } from '../../ports/files.js';
import { encode } from './bytes.js';

/**
 * What may wait for the disk runs beside the main thread, on bare descriptors: the handles of fs/promises cost
 * several times as much, which shows where hundreds of tokens fall due at once.
 */
const opened = promisify(open);
const synced = promisify(fsync);
const renamed = promisify(rename);

/**
 * What rename says of a file that is a mount point of its own, as in `docker run -v file:file`, and where the folder
 * keeps its files from others than their owners. They may be open to writing all the same.
 */
const NO_RENAME = new Set(['EBUSY', 'EXDEV', 'EPERM', 'EACCES']);

/** A file that is to be replaced, and the temporary one beside it that will take its place. */
interface Replacement {
  readonly target: string;
  readonly temporary: string;
  readonly before: Stats | null;
  readonly inPlace: () => void;
}

function prepare(path: string, inPlace: () => void): Replacement {
  const target = realTarget(path);
  const unique = `${process.pid}.${randomBytes(4).toString('hex')}`;
  const temporary = join(dirname(target), `.${basename(target)}.${unique}.token-refresher.tmp`);
  const before = statOf(target);
  if (before && !before.isFile()) throw new FileError('EEXIST', 'cannot be written: it is not a regular file');
  if (!before && target === path && !existsSync(dirname(target))) {
    try {
      mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
    } catch (error) {
      throw folderError(error, 'cannot be written');
    }
  }
  return { target, temporary, before, inPlace };
}

async function swap(
  { target, temporary, before, inPlace }: Replacement,
  text: string,
  durable: boolean,
): Promise<void> {
  try {
    await writeOver(temporary, encode(text), durable);
    // Only root can give files away; then the file stays its owner's.
    if (before && process.getuid?.() === 0 && (before.uid || before.gid)) {
      await chown(temporary, before.uid, before.gid);
    }
    await renamed(temporary, target).catch(async (error: unknown) => {
      if (!NO_RENAME.has(codeOf(error))) throw error;
      await writeOver(target, encode(text), durable);
      await unlink(temporary).catch(() => undefined);
      inPlace();
    });
    if (durable) await syncFolder(dirname(target));
  } catch (error) {
    throw fileError(error, 'cannot be written');
  }
}

export async function replace(path: string, text: string, durable: boolean, inPlace: () => void): Promise<void> {
  const replacement = prepare(path, inPlace);
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
export async function reserve(path: string, bytes: number, inPlace: () => void): Promise<Reservation> {
  const replacement = prepare(path, inPlace);
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
  const file = await opened(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    // All of it, or an error: a bare write may leave off where the disk became full.
    writeFileSync(file, content);
    ftruncateSync(file, content.length);
    if (durable) await synced(file);
  } finally {
    closeSync(file);
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
  const file = await opened(folder, 'r');
  try {
    await synced(file);
  } finally {
    closeSync(file);
  }
}

/** A symbolic link is followed to what it points at, also when that is not there yet. */
function realTarget(path: string, depth = 0): string {
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

function statOf(path: string): Stats | null {
  try {
    return statSync(path, { throwIfNoEntry: false }) ?? null;
  } catch {
    return null;
  }
}
