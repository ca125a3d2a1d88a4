import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../ports/clock.js';
import { fileError } from '../../ports/files.js';
import type { Instance } from '../../ports/instance.js';
import { lockOwner, makePrivateFolder, tryAcquire } from './link-locks.js';

const PID_FILE = 'token_refresher.pid';
const POLL_SECONDS = 0.1;
/** For a lock that does not say whose it is, until it is stale. */
const UNKNOWN_OWNER_PATIENCE = 45;

/** The instance lock `.token-refresher/instance.lock`; the PID file beside it is for people and scripts only. */
export function lockedInstance(root: string, clock: Clock): Instance {
  const base = join(root, '.token-refresher', 'instance');
  const pidFile = join(root, PID_FILE);
  return {
    async claim() {
      makePrivateFolder(join(root, '.token-refresher'));
      const until = clock.monotonic() + UNKNOWN_OWNER_PATIENCE;
      let lock = await tryAcquire(base, Number.POSITIVE_INFINITY);
      while (!lock) {
        // Held, but by nobody alive: the next try finds it removed.
        if (lockOwner(base) || clock.monotonic() >= until) return null;
        await clock.sleep(POLL_SECONDS);
        lock = await tryAcquire(base, Number.POSITIVE_INFINITY);
      }
      try {
        rmSync(pidFile, { force: true });
        writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o644 });
        chmodSync(pidFile, 0o644);
      } catch (error) {
        await lock.release();
        throw fileError(error, `${PID_FILE}: cannot be written`);
      }
      return {
        async release() {
          if (readPid(pidFile) === process.pid) rmSync(pidFile, { force: true });
          await lock.release();
        },
      };
    },
    running() {
      const owner = lockOwner(base);
      return owner && { pid: owner.pid, since: owner.since };
    },
    async stop(patience) {
      // The owner of the lock is asked, never whatever the PID file says: that number may be a stranger's by now.
      const owner = lockOwner(base);
      if (!owner) return true;
      if (!owner.here) return false;
      process.kill(owner.pid, 'SIGTERM');
      const until = clock.monotonic() + patience;
      while (lockOwner(base)?.pid === owner.pid) {
        if (clock.monotonic() >= until) return false;
        await clock.sleep(POLL_SECONDS);
      }
      return true;
    },
  };
}

function readPid(path: string): number {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch {
    return 0;
  }
}
