import fs, {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  type Stats,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import lockfile from 'proper-lockfile';
import { giveFile, makeFolderIn, ownerIn } from '../../disk/ownership.js';
import { codeOf, FileError, fileError, folderError } from '../../ports/files.js';
import type { Lock } from '../../ports/locks.js';
import type { LockLocation } from './lock-location.js';
import { identityFrom, identityText, lifeOf, ownIdentity, type ProcessIdentity } from './process-identity.js';
import { createSilence } from './silence.js';

/*
 * Locks whose holder is told by the names of files, and that no sequence of pauses gives to two.
 *
 * Whoever wants a lock makes a lock file with a name of its own, `NAME.IDENTITY-SINCE-NUMBER.lock`, and then lists
 * the folder. It has the lock if its own file is there and no other of a living one is; else it removes its own and
 * tries again later.
 *
 * 1. Never two holders. Let A and B both believe that they hold the lock, and A's file be the one that was made first.
 *    B listed the folder after it had made its own, so A's file was not there, or A was dead for B. A lock file goes
 *    only when its maker removes it, or somebody for whom its maker is dead. So A has given it back, or was dead for
 *    somebody. Dead is, on one machine, who does not run: a fact that no pause makes true. Of another machine or
 *    container it is who has been watched for STALE_MS without a sign of life; such a one finds its file gone when it
 *    looks once more, right before it sends anything.
 * 2. What is removed is what was judged. No name is used twice, so that removing the file of a dead one, however late
 *    and however often, can hit no other.
 * 3. A dead one is no obstacle, and there is nothing left half done at which to die: each step is one system call, and
 *    what stands in the name is there as soon as the file is. Neither symbolic nor hard links are needed, nor content,
 *    nor room on the disk.
 *
 * proper-lockfile renews the file, notices when it has gone, and removes it at the process's exit. Its own takeover of
 * stale locks has nothing to take: each of its locks is at a path that nobody else uses.
 */

/** Who may be of another machine is dead after so long without a sign of life. */
export const STALE_MS = 40_000;
const RENEW_MS = 5_000;
/**
 * A living owner on this machine is waited for, as it may be stopped with an answer in its hands; but not for ever
 * once it has been seen not to renew its lock.
 */
const LIVING_OWNER_MS = 150_000;

/** A lock file of somebody who is not known to be dead. */
export interface Holder {
  readonly path: string;
  readonly identity: ProcessIdentity;
  /** Epoch seconds, by the holder's clock. */
  readonly since: number;
  readonly life: 'alive' | 'elsewhere';
}

/**
 * The lock files of this copy of the module, from before they are made until they are given back: by their names, as
 * the same folder may be reached by several paths.
 */
const own = new Set<string>();
const silence = createSilence();
let made = 0;

export interface FileLock extends Lock {
  /** As `isStillHeld`, for those who ask often: nothing is written. */
  isThere(): boolean;
}

/** Whether a holder has given a sign of life since this process first saw it. */
export function wasRenewed({ path }: Holder): boolean {
  return silence.wasBroken(path);
}

interface Listing {
  /** Milliseconds for which a living owner may be silent. */
  readonly livingOwnerMs?: number;
  /** A lock file that is not listed. */
  readonly except?: string;
  /** Removes those of the dead. */
  readonly tidy?: boolean;
}

/** Everybody who holds a lock, or is about to find out whether it does. Throws the system's error. */
export function holdersAt({ base, folder, name }: LockLocation, listing: Listing = {}): Holder[] {
  const { livingOwnerMs = LIVING_OWNER_MS, except, tidy = false } = listing;
  const full = join(base, folder);
  return namesIn(full).flatMap((file) => {
    const found = parse(file);
    const path = join(full, file);
    if (found?.name !== name || path === except) return [];
    const { identity, since } = found;
    const life = lifeOfOwner(file, identity);
    const isOver = life === 'dead' || silence.of(path) >= (life === 'alive' ? livingOwnerMs : STALE_MS);
    if (!isOver) return [{ path, identity, since, life }];
    // One that cannot be removed is no less dead.
    if (tidy) remove(path);
    return [];
  });
}

/** Takes a lock; null where others hold it. Rejects (FileError) where locks cannot be made. */
export async function tryLock(
  locate: () => readonly LockLocation[],
  livingOwnerMs = LIVING_OWNER_MS,
): Promise<FileLock | null> {
  const locations = locate();
  const [location] = locations;
  if (!location) throw new Error('a lock without a place');
  const folder = join(location.base, location.folder);
  try {
    if (isHeld(locations, { livingOwnerMs, tidy: true })) return null;
    made += 1;
    const since = Math.max(0, Date.now()).toString(36);
    const file = `${location.name}.${identityText(ownIdentity())}-${since}-${made}.lock`;
    const path = join(folder, file);
    const enter = (): boolean => {
      make(location, path);
      // Another folder may have become the nearest one meanwhile.
      const now = locate();
      const isSame = now[0]?.base === location.base && now[0].folder === location.folder;
      return isSame && namesIn(folder).includes(file) && !isHeld(now, { livingOwnerMs, except: path });
    };
    own.add(file);
    return await held(path, enter).catch((error: unknown) => {
      remove(path);
      own.delete(file);
      if (codeOf(error) === 'ELOCKED') return null;
      throw error;
    });
  } catch (error) {
    if (error instanceof FileError) throw error;
    throw fileError(error, `the lock ${folder}/${location.name} cannot be taken`);
  }
}

/** Whether others hold it, at any of these. */
function isHeld([location, ...others]: readonly LockLocation[], listing: Listing): boolean {
  if (location && holdersAt(location, listing).length > 0) return true;
  return others.some((other) => {
    try {
      return holdersAt(other, listing).length > 0;
    } catch {
      // Where this process may not look, nobody has locked for it.
      return false;
    }
  });
}

async function held(path: string, enter: () => boolean): Promise<FileLock> {
  let lost = false;
  let renewals = 0;
  let renewedAt = new Date(0);
  const renew = (time: Date): void => {
    renewals += 1;
    try {
      utimesSync(path, time, time);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') throw error;
      // Not everywhere may one set the times of a file that one has made.
      writeFileSync(path, `${renewals}`, { flag: 'r+' });
    }
    renewedAt = time;
  };
  const adapter = {
    ...fs,
    mkdir: (_path: string, done: fs.NoParamCallback) =>
      settle(done, () => {
        if (!enter()) throw Object.assign(new Error('held'), { code: 'ELOCKED' });
      }),
    // Times come back as they were set, whatever a file system makes of them; nobody else sets them.
    stat: (_path: string, done: (error: NodeJS.ErrnoException | null, stats: Pick<Stats, 'mtime'>) => void) =>
      fs.lstat(path, (error) => done(error, { mtime: renewedAt })),
    utimes: (_path: string, _at: Date, time: Date, done: fs.NoParamCallback) => settle(done, () => renew(time)),
    rmdir: (_path: string, done: fs.NoParamCallback) => fs.unlink(path, done),
    rmdirSync: () => unlinkSync(path),
  };
  const release = await lockfile.lock(path, {
    fs: adapter,
    lockfilePath: path,
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
    isThere: () => !lost && existsSync(path),
    async isStillHeld() {
      if (lost) return false;
      try {
        // A sign of life too: whoever waits for this one to be silent for long enough begins anew.
        renew(new Date());
        return true;
      } catch {
        // Nobody can take it either, on a file system that is read-only for a while.
        return existsSync(path);
      }
    },
    async release() {
      await release().catch(() => undefined);
      remove(path);
      own.delete(basename(path));
    },
  };
}

function settle(done: fs.NoParamCallback, work: () => void): void {
  try {
    work();
  } catch (error) {
    done(error as NodeJS.ErrnoException);
    return;
  }
  done(null);
}

function make({ base, folder }: LockLocation, path: string): void {
  const create = (): void => {
    const file = openSync(path, 'wx', 0o600);
    try {
      giveFile(file, ownerIn(base));
    } finally {
      closeSync(file);
    }
  };
  try {
    create();
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    try {
      makeFolderIn(base, folder);
    } catch (error) {
      throw folderError(error, `the folder ${join(base, folder)} cannot be made`);
    }
    create();
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

function parse(file: string): { name: string; identity: ProcessIdentity; since: number } | null {
  const [, name, who, since] = /^(.+)\.([\w-]+)-(\w+)-\d+\.lock$/.exec(file) ?? [];
  const identity = identityFrom(who ?? '');
  return name !== undefined && since !== undefined && identity
    ? { name, identity, since: parseInt(since, 36) / 1000 }
    : null;
}

/** Ours, but not held: its release has failed, on a disk that was read-only for a while. */
function lifeOfOwner(file: string, identity: ProcessIdentity): 'alive' | 'dead' | 'elsewhere' {
  return identityText(identity) === identityText(ownIdentity()) && !own.has(file) ? 'dead' : lifeOf(identity);
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Gone already, or not ours to remove.
  }
}
