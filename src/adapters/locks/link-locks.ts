import fs, { existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, rmSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import lockfile from 'proper-lockfile';
import { stateNameOf } from '../../ground/file-name.js';
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

/** What stands in a lock: who made it, and when. */
interface OwnerNote extends ProcessIdentity {
  /** Epoch milliseconds. */
  readonly since: number;
  readonly text: string;
}

/**
 * proper-lockfile, with a symbolic link in the place of its folders: the link's target is no file but a note of who
 * holds the lock, so that lock and note come to be in one step, at which no process can be killed half way. The note
 * is what lets a lock whose owner died be taken at once instead of when it has gone stale, and what keeps one whose
 * owner is merely stopped.
 */
export function linkLocks(folder: string, clock: Clock, digest: Digest): Locks {
  return {
    async acquire(place, patience) {
      if (!existsSync(folder)) makePrivateFolder(folder);
      const base = join(folder, stateNameOf(place, digest));
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

/** The notes of this process's locks, from when they are made until they are given back. */
const held = new Set<string>();

/** Takes a lock if it is free or its owner is dead. */
export async function tryAcquire(base: string, livingOwnerMs: number): Promise<Lock | null> {
  const note = readNote(lockOf(base));
  if (note) {
    const life = lifeOf(note);
    // Ours, but not held: its release has failed, on a disk that was read-only for a while.
    const left = life === 'alive' && note.pid === process.pid && !held.has(note.text);
    if (life === 'dead' || left) breakLock(base, note);
    else if (life === 'alive' && unrenewedFor(base, note) < livingOwnerMs) return null;
  }
  let lost = false;
  const text = ownNote();
  held.add(text);
  try {
    const release = await lockfile.lock(base, {
      fs: linkFs(text),
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
      async isStillHeld() {
        return !lost && readText(lockOf(base)) === text;
      },
      async release() {
        if (!lost) await release().catch(() => undefined);
        held.delete(text);
      },
    };
  } catch (error) {
    held.delete(text);
    const code = codeOf(error);
    if (code === 'ELOCKED') return null;
    throw new FileError(code, `the lock ${base} cannot be taken: ${fileError(error, '').message.slice(2)}`, error);
  }
}

/** What was last seen of locks that others hold, and since when. */
const seen = new Map<string, { readonly renewal: string; readonly since: number }>();

/** Milliseconds for which this process has seen a lock not being renewed. */
function unrenewedFor(base: string, note: OwnerNote): number {
  const renewal = `${note.text} ${renewed(base)}`;
  const before = seen.get(base);
  if (before?.renewal === renewal) return performance.now() - before.since;
  seen.set(base, { renewal, since: performance.now() });
  return 0;
}

/** The file system as proper-lockfile is to see it: it makes, reads and removes links where it means folders. */
function linkFs(text: string): object {
  return {
    ...fs,
    mkdir: (path: string, done: fs.NoParamCallback) => writeNote(path, text, done),
    stat: fs.lstat,
    utimes: fs.lutimes,
    rmdir: fs.unlink,
    rmdirSync: fs.unlinkSync,
  };
}

/** Where links cannot be made (Windows without the privilege), a file holds the note. */
function writeNote(path: string, text: string, done: fs.NoParamCallback): void {
  fs.symlink(text, path, (error) => {
    if (error?.code === 'EPERM') fs.writeFile(path, text, { flag: 'wx', mode: 0o600 }, done);
    else done(error);
  });
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
  const note = readNote(lockOf(base));
  if (!note) return null;
  const owner = { pid: note.pid, since: note.since / 1000 };
  const life = lifeOf(note);
  if (life !== 'elsewhere') return life === 'alive' ? { ...owner, here: true } : null;
  return Date.now() - (renewed(base) ?? 0) < STALE_MS ? { ...owner, here: false } : null;
}

/**
 * Two that find the same dead owner must not both remove its lock: the second would remove the first one's. Hence
 * another lock around the removal, and a second look under it. There is no pause in it at which to be killed; where
 * it happens all the same, it is a dead one's and is removed by the next.
 */
function breakLock(base: string, dead: OwnerNote): void {
  const turn = `${base}.break`;
  try {
    fs.symlinkSync(ownNote(), turn);
  } catch {
    if (isLeftBehind(turn)) rmSync(turn, { force: true });
    return;
  }
  try {
    if (readNote(lockOf(base))?.text === dead.text) unlinkSync(lockOf(base));
  } catch {
    // A read-only file system, or somebody was first: the next try finds out.
  } finally {
    rmSync(turn, { force: true });
  }
}

function isLeftBehind(turn: string): boolean {
  const note = readNote(turn);
  if (note && lifeOf(note) === 'dead') return true;
  const made = lstatSync(turn, { throwIfNoEntry: false })?.mtimeMs;
  return made !== undefined && Date.now() - made > TURN_MS;
}

let notes = 0;

/** Short enough (60 bytes) for ext4 and its like to keep it in the link itself, without a block on the disk. */
function ownNote(): string {
  const { pid, started, host } = ownIdentity();
  notes += 1;
  return [pid, started, host, Date.now(), notes].join(' ');
}

/** Null when there is no lock, or one that does not say whose it is. */
function readNote(path: string): OwnerNote | null {
  const text = readText(path);
  const [, pid, started, host, since] = /^(\d+) (.*) (\w+) (\d+) \d+$/.exec(text ?? '') ?? [];
  if (text === null || started === undefined || host === undefined) return null;
  return { pid: Number(pid), started, host, since: Number(since), text };
}

function readText(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (codeOf(error) !== 'EINVAL') return null;
  }
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

function renewed(base: string): number | undefined {
  return lstatSync(lockOf(base), { throwIfNoEntry: false })?.mtimeMs;
}

function lockOf(base: string): string {
  return `${base}.lock`;
}
