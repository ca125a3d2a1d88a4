import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  fsync,
  fsyncSync,
  ftruncateSync,
  open,
  openSync,
  readFileSync,
  rename,
  type Stats,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { unlink } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { type ParseError, parse } from 'jsonc-parser';
import { giveFile, makeFolderIn, nearestFolder, type Owner, ownerAfter } from '../../disk/ownership.js';
import { realTarget } from '../../disk/real-target.js';
import type { RootFolder } from '../../disk/root-folder.js';
import { codeOf, FileError, fileError, folderError, type Reservation } from '../../ports/files.js';
import { decode, encode } from './bytes.js';

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

/** Why a file is written in place. */
export type InPlace = 'refused' | 'hard links';

/** A file that is to be replaced, in which folder of ours, and who is told when it has to be written in place. */
export interface Replaced {
  /** Absolute. */
  readonly path: string;
  readonly base: string;
  readonly root: RootFolder;
  readonly inPlace: (why: InPlace) => void;
}

/** The temporary file beside it that will take its place. */
interface Replacement {
  readonly target: string;
  readonly temporary: string;
  readonly before: Stats | null;
  /** Whose it becomes; null where that goes without saying. */
  readonly owner: Owner | null;
  readonly inPlace: (why: InPlace) => void;
}

const SUFFIX = '.token-refresher.tmp';
const TEMPORARY = /^\.(.*)\.(\d+)\.[0-9a-f]+\.token-refresher\.tmp$/;

/** What a temporary file is for, and which process has made it; null for any other file. */
export function temporaryOf(name: string): { readonly target: string; readonly pid: number } | null {
  const [, target, pid] = TEMPORARY.exec(name) ?? [];
  return target === undefined ? null : { target, pid: Number(pid) };
}

function prepare({ path, base, root, inPlace }: Replaced): Replacement {
  root.require();
  const target = realTarget(path);
  const folder = dirname(target);
  const unique = `${process.pid}.${randomBytes(4).toString('hex')}`;
  const temporary = join(folder, `.${basename(target)}.${unique}${SUFFIX}`);
  const before = statOf(target);
  if (before && !before.isFile()) throw new FileError('EEXIST', 'cannot be written: it is not a regular file');
  if (!before && target === path && !existsSync(folder)) {
    try {
      // Only a root that never was there is made as well.
      const from = existsSync(base) ? base : nearestFolder(base);
      makeFolderIn(from, relative(from, folder));
    } catch (error) {
      throw folderError(error, 'cannot be written');
    }
  }
  return { target, temporary, before, owner: ownerAfter(before, isWithin(target, base) ? base : folder), inPlace };
}

async function swap(
  { target, temporary, before, owner, inPlace }: Replacement,
  text: string,
  durable: boolean,
): Promise<void> {
  const content = encode(text);
  /** The whole content stays beside it until it is there: a process may die, and a machine, in the middle of this. */
  const overwrite = async (why: InPlace): Promise<void> => {
    if (!durable) await writeOver(temporary, content, true, owner);
    await writeOver(target, content, true, null);
    await unlink(temporary).catch(() => undefined);
    inPlace(why);
  };
  try {
    await writeOver(temporary, content, durable, owner);
    // Whoever has the file by another name is to see what becomes of it.
    if (before && before.nlink > 1) await overwrite('hard links');
    else {
      await renamed(temporary, target).catch(async (error: unknown) => {
        if (!NO_RENAME.has(codeOf(error))) throw error;
        await overwrite('refused');
      });
    }
    if (durable) await syncFolder(dirname(target));
  } catch (error) {
    throw fileError(error, 'cannot be written');
  }
}

export async function replace(replaced: Replaced, text: string, durable: boolean): Promise<void> {
  const replacement = prepare(replaced);
  try {
    await swap(replacement, text, durable);
  } catch (error) {
    discard(replacement.temporary, replacement.target);
    throw error;
  }
}

/**
 * The temporary file, filled with as many bytes as may be needed and on disk: what a full disk, a quota or a
 * read-only mount has to say, it says here, before anything is spent.
 */
export async function reserve(replaced: Replaced, bytes: number): Promise<Reservation> {
  const replacement = prepare(replaced);
  const { target, temporary, before, owner } = replacement;
  const release = async (): Promise<void> => discard(temporary, target);
  try {
    await writeOver(temporary, Buffer.alloc((before?.size ?? 0) + bytes, ' '), true, owner);
  } catch (error) {
    await release();
    throw fileError(error, 'cannot be written');
  }
  return { fill: (text) => swap(replacement, text, true), release };
}

/** A write in place follows the temporary file so soon; a file that became broken later is somebody else's doing. */
const IN_PLACE_WITHIN_MS = 60_000;

/**
 * Removes a temporary file that is not needed any more. Where its target is broken, a write in place has been ended in
 * the middle, and this is the only whole copy: it is put there. It stays where that is not possible.
 */
export function discard(temporary: string, target: string): void {
  try {
    if (isTorn(target, temporary)) overwriteSync(target, readFileSync(temporary));
    unlinkSync(temporary);
  } catch {
    // Gone already, or not ours to remove: it does no harm.
  }
}

function isTorn(target: string, temporary: string): boolean {
  const [written, begun] = [statOf(target), statOf(temporary)];
  if (!written?.isFile() || !begun || written.mtimeMs - begun.mtimeMs > IN_PLACE_WITHIN_MS) return false;
  return !isJson(decode(readFileSync(target))) && isJson(decode(readFileSync(temporary)));
}

/** With comments too, which token files may have. */
function isJson(text: string): boolean {
  const errors: ParseError[] = [];
  parse(text.replace(/^\uFEFF/, ''), errors, { allowTrailingComma: true });
  return errors.length === 0;
}

function overwriteSync(path: string, content: Buffer): void {
  const file = openSync(path, constants.O_RDWR);
  try {
    writeFileSync(file, content);
    ftruncateSync(file, content.length);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Over what is there already, so that the blocks a reservation holds are used and not looked for anew. */
async function writeOver(path: string, content: Buffer, durable: boolean, owner: Owner | null): Promise<void> {
  const file = await opened(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  try {
    giveFile(file, owner);
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

function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return !way.startsWith('..') && !isAbsolute(way);
}

function statOf(path: string): Stats | null {
  try {
    return statSync(path, { throwIfNoEntry: false }) ?? null;
  } catch {
    return null;
  }
}
