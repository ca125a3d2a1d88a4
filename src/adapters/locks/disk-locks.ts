import { type RootFolder, rootFolder } from '../../disk/root-folder.js';
import type { Clock } from '../../ports/clock.js';
import type { Digest } from '../../ports/digest.js';
import type { Lock, LockPlace, Locks } from '../../ports/locks.js';
import { tryLock } from './lock-files.js';
import { hardLinkLocations, type LockLocation, lockLocations } from './lock-location.js';

const POLL_SECONDS = 0.05;

/** Locks on this disk, for all roots and machines that see a file. */
export function diskLocks(root: string, clock: Clock, digest: Digest, folder: RootFolder = rootFolder(root)): Locks {
  return {
    async acquire(place, patience) {
      const until = clock.monotonic() + patience;
      for (;;) {
        folder.require();
        const lock = await tryAll(locationsOf(root, place, digest));
        if (lock) return lock;
        if (clock.monotonic() >= until) return null;
        await clock.sleep(POLL_SECONDS * (1 + clock.random()));
      }
    },
  };
}

/** One lock for the file, and one each for what else it is known by. */
function locationsOf(root: string, place: LockPlace, digest: Digest): (() => readonly LockLocation[])[] {
  const more = hardLinkLocations(root, place, digest);
  return [() => lockLocations(root, place, digest), ...more.map((location) => () => [location])];
}

/** All of them, or none. */
async function tryAll(locates: readonly (() => readonly LockLocation[])[]): Promise<Lock | null> {
  const locks: Lock[] = [];
  const release = async (): Promise<void> => {
    for (const lock of locks.toReversed()) await lock.release();
  };
  try {
    for (const locate of locates) {
      const lock = await tryLock(locate);
      if (!lock) break;
      locks.push(lock);
    }
  } catch (error) {
    await release();
    throw error;
  }
  const [first, ...others] = locks;
  if (locks.length < locates.length || !first) {
    await release();
    return null;
  }
  if (others.length === 0) return first;
  return {
    get lost() {
      return locks.some((lock) => lock.lost);
    },
    async isStillHeld() {
      for (const lock of locks) if (!(await lock.isStillHeld())) return false;
      return true;
    },
    release,
  };
}
