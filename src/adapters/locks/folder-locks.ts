import fs, { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import lockfile from 'proper-lockfile';
import { fileNameFor } from '../../ground/file-name.js';
import type { Clock } from '../../ports/clock.js';
import type { Digest } from '../../ports/digest.js';
import { codeOf, FileError, fileError, folderError } from '../../ports/files.js';
import type { Lock, Locks } from '../../ports/locks.js';
import { lifeOf, ownIdentity, type ProcessIdentity } from './process-identity.js';

/** A lock not renewed for this long is given up for dead when its owner cannot be asked (another machine). */
const STALE_MS = 40_000;
const RENEW_MS = 5_000;
/**
 * A living owner on this machine is waited for, as it may be stopped with an answer in its hands; but not for ever
 * once it has been seen not to renew its lock. Seen, not read off its times: after a sleep of the whole machine
 * every lock looks old.
 */
const LIVING_OWNER_MS = 150_000;
const POLL_SECONDS = 0.05;
/** Removing a dead one's lock takes far less. */
const TURN_MS = 1000;

interface OwnerNote extends ProcessIdentity {
  /** The lock folder the note is about: a note left by a dead owner must not speak for the next one. */
  readonly folder: string;
  /** Epoch seconds. */
  readonly since: number;
}

/**
 * proper-lockfile's folders, with a note beside each that says who holds it. The note is what lets a lock whose
 * owner died be taken at once instead of when it has gone stale, and what keeps one whose owner is merely
 * stopped.
 */
export function folderLocks(folder: string, clock: Clock, digest: Digest): Locks {
  return {
    async acquire(name, patience) {
      if (!existsSync(folder)) makePrivateFolder(folder);
      const base = join(folder, fileNameFor(name, digest));
      const until = clock.monotonic() + patience;
      for (;;) {
        const lock = await tryAcquire(base, LIVING_OWNER_MS);
        if (lock) return lock;
        if (clock.monotonic() >= until) return null;
        await clock.sleep(POLL_SECONDS * (1 + clock.random()));
      }
    },
  };
}

export function makePrivateFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw folderError(error, `the folder ${folder} cannot be made`);
  }
}

/** The lock folders of this process, from when they are made until they are given back. */
const held = new Set<string>();

/** Takes a lock if it is free or its owner is dead. */
export async function tryAcquire(base: string, livingOwnerMs: number): Promise<Lock | null> {
  const note = readNote(base);
  if (note) {
    const life = lifeOf(note);
    // Ours, but not held: its release has failed, on a disk that was read-only for a while.
    const left = life === 'alive' && note.pid === process.pid && !held.has(note.folder);
    if (life === 'dead' || left) breakLock(base, note);
    else if (life === 'alive' && unrenewedFor(base, note) < livingOwnerMs) return null;
  }
  let lost = false;
  let folder = '';
  try {
    const release = await lockfile.lock(base, {
      fs: notingFs(base, (made) => {
        folder = made;
        held.add(made);
      }),
      realpath: false,
      stale: STALE_MS,
      update: RENEW_MS,
      // The default throws from a timer, where nobody can catch it.
      onCompromised: () => {
        lost = true;
      },
    });
    return {
      get lost() {
        return lost;
      },
      async release() {
        // The note stays: it is about a folder that is gone then, and says nothing of the next one.
        if (!lost) await release().catch(() => undefined);
        held.delete(folder);
      },
    };
  } catch (error) {
    const code = codeOf(error);
    held.delete(folder);
    if (code === 'ELOCKED') return null;
    throw new FileError(code, `the lock ${base} cannot be taken: ${fileError(error, '').message.slice(2)}`, error);
  }
}

/** What was last seen of locks that others hold, and since when. */
const seen = new Map<string, { readonly renewal: string; readonly since: number }>();

/** Milliseconds for which this process has seen a lock not being renewed. */
function unrenewedFor(base: string, note: OwnerNote): number {
  const renewal = `${note.folder} ${statSync(`${base}.lock`, { throwIfNoEntry: false })?.mtimeMs}`;
  const before = seen.get(base);
  if (before?.renewal === renewal) return performance.now() - before.since;
  seen.set(base, { renewal, since: performance.now() });
  return 0;
}

/**
 * The file system with a mkdir that leaves the owner's note at once: a process that is killed between the two
 * makes the others wait until its lock is stale.
 */
function notingFs(base: string, made: (folder: string) => void): object {
  return {
    ...fs,
    mkdir(path: string, done: (error: unknown) => void) {
      try {
        fs.mkdirSync(path);
      } catch (error) {
        done(error);
        return;
      }
      const note = noteOn(base);
      made(note.folder);
      try {
        fs.writeFileSync(noteOf(base), JSON.stringify(note), { mode: 0o600 });
      } catch {
        // No room for it. The lock holds without: what has room reserved on a full disk must be saved all the same.
      }
      done(null);
    },
  };
}

export interface LockOwner {
  readonly pid: number;
  /** Epoch seconds. */
  readonly since: number;
  /** Whether it is a process of this machine, so that its number means something here. */
  readonly here: boolean;
}

/** Who holds a lock, as far as this machine can tell. */
export function lockOwner(base: string): LockOwner | null {
  const note = readNote(base);
  if (!note) return null;
  const { pid, since } = note;
  const life = lifeOf(note);
  if (life !== 'elsewhere') return life === 'alive' ? { pid, since, here: true } : null;
  const renewed = statSync(`${base}.lock`, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return Date.now() - renewed < STALE_MS ? { pid, since, here: false } : null;
}

/**
 * Two that find the same dead owner must not both remove its lock: the second would remove the first one's. Hence
 * a file around the removal, and a second look under it. There is no pause in it at which to be killed; where it
 * happens all the same, the file is a dead one's and is removed by the next.
 */
function breakLock(base: string, dead: OwnerNote): void {
  const turn = `${base}.break`;
  try {
    fs.writeFileSync(turn, JSON.stringify(noteOn(base)), { flag: 'wx', mode: 0o600 });
  } catch {
    if (isLeftBehind(turn)) rmSync(turn, { force: true });
    return;
  }
  try {
    // The dead one's note stays: it is about a folder that is gone then, and the next owner writes over it.
    if (readNote(base)?.folder === dead.folder) rmdirSync(`${base}.lock`);
  } catch {
    // A read-only file system, or somebody was first: the next try finds out.
  } finally {
    rmSync(turn, { force: true });
  }
}

function isLeftBehind(turn: string): boolean {
  try {
    return lifeOf(JSON.parse(readFileSync(turn, 'utf8'))) === 'dead';
  } catch {
    const written = statSync(turn, { throwIfNoEntry: false })?.mtimeMs;
    return written !== undefined && Date.now() - written > TURN_MS;
  }
}

function noteOn(base: string): OwnerNote {
  return { ...ownIdentity(), folder: folderId(base) ?? '', since: Date.now() / 1000 };
}

/** The note, if it speaks of the lock folder that is there now. */
function readNote(base: string): OwnerNote | null {
  try {
    const note: OwnerNote = JSON.parse(readFileSync(noteOf(base), 'utf8'));
    return note.folder === folderId(base) ? note : null;
  } catch {
    return null;
  }
}

function noteOf(base: string): string {
  return `${base}.owner`;
}

function folderId(base: string): string | null {
  const found = statSync(`${base}.lock`, { bigint: true, throwIfNoEntry: false });
  return found ? `${found.ino}:${found.birthtimeNs}` : null;
}
