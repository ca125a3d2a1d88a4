import fs, { mkdirSync, readFileSync, rmdirSync, rmSync, statSync } from 'node:fs';
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
/** A living owner on this machine is waited for: it may be stopped with an answer in its hands. */
const LIVING_OWNER_MS = 150_000;
const POLL_SECONDS = 0.05;

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
      makePrivateFolder(folder);
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

/** Takes a lock if it is free or its owner is dead. */
export async function tryAcquire(base: string, livingOwnerMs: number): Promise<Lock | null> {
  const note = readNote(base);
  if (note) {
    const life = lifeOf(note);
    if (life === 'dead') await breakLock(base, note);
    else if (life === 'alive' && Date.now() - note.since * 1000 < livingOwnerMs) return null;
  }
  let lost = false;
  try {
    const release = await lockfile.lock(base, {
      fs: notingFs(base),
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
      },
    };
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ELOCKED') return null;
    throw new FileError(code, `the lock ${base} cannot be taken: ${fileError(error, '').message.slice(2)}`, error);
  }
}

/**
 * The file system with a mkdir that leaves the owner's note at once: a process that is killed between the two
 * makes the others wait until its lock is stale.
 */
function notingFs(base: string): object {
  return {
    ...fs,
    mkdir(path: string, done: (error: unknown) => void) {
      try {
        fs.mkdirSync(path);
        const note: OwnerNote = { ...ownIdentity(), folder: folderId(base) ?? '', since: Date.now() / 1000 };
        fs.writeFileSync(noteOf(base), JSON.stringify(note), { mode: 0o600 });
        done(null);
      } catch (error) {
        done(error);
      }
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
 * Two that find the same dead owner must not both remove its lock: the second would remove the first one's.
 * Hence a lock around the removal, and a second look under it.
 */
async function breakLock(base: string, dead: OwnerNote): Promise<void> {
  let release: (() => Promise<void>) | undefined;
  try {
    release = await lockfile.lock(`${base}.break`, { realpath: false, stale: 5000, onCompromised: () => undefined });
    if (readNote(base)?.folder !== dead.folder) return;
    // The note first: once the folder is gone somebody else may hold the lock and write a note of its own.
    rmSync(noteOf(base), { force: true });
    rmdirSync(`${base}.lock`);
  } catch {
    // Somebody else is at it, or was first: the next try finds out.
  } finally {
    await release?.().catch(() => undefined);
  }
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
