import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileIn } from '../../disk/ownership.js';
import { type RootFolder, rootFolder } from '../../disk/root-folder.js';
import type { Clock } from '../../ports/clock.js';
import { codeOf, FileError, fileError } from '../../ports/files.js';
import type { Claim, Instance, Presence, Running } from '../../ports/instance.js';
import { type FileLock, type Holder, holdersAt, STALE_MS, tryLock, wasRenewed } from './lock-files.js';

const PID_FILE = 'token_refresher.pid';
const STATE = '.token-refresher';
const POLL_SECONDS = 0.1;
/** Within this a living instance of another machine has renewed its lock once. */
const WATCH_SECONDS = 7;

type Scan = { readonly holder: Holder | null } | { readonly trouble: string };

/** The instance lock in `.token-refresher/`; the PID file beside it is for people and scripts only. */
export function lockedInstance(root: string, clock: Clock, folder: RootFolder = rootFolder(root)): Instance {
  const location = { base: root, folder: STATE, name: 'instance' };
  const pidFile = join(root, PID_FILE);
  const forever = Number.POSITIVE_INFINITY;

  const holders = (): Holder[] => holdersAt(location, { livingOwnerMs: forever }).toSorted((a, b) => rank(a) - rank(b));
  const isThere = ({ path }: Holder): boolean => holders().some((holder) => holder.path === path);
  const lock = async (): Promise<FileLock | null> => {
    folder.require();
    return tryLock(() => [location], forever);
  };
  const scan = (): Scan => {
    try {
      return { holder: holders()[0] ?? null };
    } catch (error) {
      return { trouble: fileError(error, `${STATE} cannot be read`).message };
    }
  };
  const scanForLife = async (): Promise<Scan> => {
    const until = clock.monotonic() + WATCH_SECONDS;
    for (;;) {
      const found = scan();
      if ('trouble' in found || !found.holder || isAlive(found.holder)) return found;
      if (clock.monotonic() >= until) return { holder: null };
      await clock.sleep(POLL_SECONDS);
    }
  };
  /** Whoever finds out that others have the lock is gone at once. */
  const hasSettled = async (holder: Holder): Promise<boolean> => {
    await clock.sleep(POLL_SECONDS);
    return isThere(holder);
  };

  const claimed = (first: FileLock): Claim => {
    let current = first;
    return {
      async confirm() {
        if (!folder.isHere()) return 'away';
        if (current.isThere()) return 'held';
        try {
          await current.release();
          const again = await lock();
          if (again) {
            current = again;
            writePid(pidFile, root);
            return 'regained';
          }
          const [other] = holders();
          return other && (await hasSettled(other)) ? 'taken' : 'held';
        } catch (error) {
          // What this process cannot take, no other one can.
          if (error instanceof FileError) return 'held';
          throw error;
        }
      },
      async release() {
        if (readPid(pidFile) === process.pid) rmSync(pidFile, { force: true });
        await current.release();
      },
    };
  };

  return {
    async claim(signal, waiting = () => undefined) {
      const told = new Set<string>();
      for (;;) {
        const taken = await lock();
        if (taken) {
          try {
            writePid(pidFile, root);
          } catch (error) {
            await taken.release();
            throw error;
          }
          return claimed(taken);
        }
        const [other] = holders();
        if (signal?.aborted) return null;
        if (other?.life === 'alive' && (await hasSettled(other))) return null;
        if (other?.life === 'elsewhere') {
          if (wasRenewed(other)) return null;
          if (!told.has(other.path)) waiting(runningOf(other));
          told.add(other.path);
        }
        await clock.sleep(POLL_SECONDS * clock.random(), signal);
      }
    },
    running: () => presenceOf(scan()),
    observe: async () => presenceOf(await scanForLife()),
    async stop(patience) {
      const found = await scanForLife();
      if ('trouble' in found) return { outcome: 'failed', reason: found.trouble };
      const { holder } = found;
      if (!holder) return { outcome: 'none' };
      const { pid } = holder.identity;
      if (holder.life === 'elsewhere') {
        const reason = `the instance (PID ${pid}) runs on another machine or in another container; stop it there`;
        return { outcome: 'elsewhere', reason };
      }
      // The holder of the lock is asked, never whatever the PID file says: that number may be a stranger's by now.
      try {
        process.kill(pid, 'SIGTERM');
      } catch (error) {
        if (codeOf(error) === 'EPERM')
          return { outcome: 'failed', reason: `PID ${pid} is another user's; stop it as that one` };
      }
      const until = clock.monotonic() + patience;
      while (isThere(holder)) {
        if (clock.monotonic() >= until) {
          return { outcome: 'failed', reason: `PID ${pid} was told to stop and is still there after ${patience} s` };
        }
        await clock.sleep(POLL_SECONDS);
      }
      return { outcome: 'stopped', pid };
    },
  };
}

function rank({ life }: Holder): number {
  return life === 'alive' ? 0 : 1;
}

function presenceOf(found: Scan): Presence {
  if ('trouble' in found) return { state: 'unknown', reason: found.trouble };
  const { holder } = found;
  if (!holder) return { state: 'none' };
  if (isAlive(holder)) return runningOf(holder);
  const reason = `PID ${holder.identity.pid} of another machine or container holds the lock, and may be gone`;
  return { state: 'unknown', reason };
}

function runningOf({ identity, since, life }: Holder): Running {
  return { state: 'running', pid: identity.pid, since, here: life === 'alive' };
}

/**
 * Of another machine is who has renewed its lock just now: by this clock, which can only be wrong in taking a dead one
 * for living, and in asking to watch.
 */
function isAlive(holder: Holder): boolean {
  if (holder.life === 'alive' || wasRenewed(holder)) return true;
  const renewed = statSync(holder.path, { throwIfNoEntry: false })?.mtimeMs;
  return renewed !== undefined && Math.abs(Date.now() - renewed) < STALE_MS;
}

function writePid(path: string, root: string): void {
  try {
    writeFileIn(root, path, `${process.pid}\n`, 0o644);
  } catch (error) {
    throw fileError(error, `${PID_FILE}: cannot be written`);
  }
}

function readPid(path: string): number {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch {
    return 0;
  }
}
