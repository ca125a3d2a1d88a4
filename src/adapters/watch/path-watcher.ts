import { type BigIntStats, lstatSync, readdirSync, statfsSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type FSWatcher, watch } from 'chokidar';
import { codeOf } from '../../ports/files.js';
import type { Watcher } from '../../ports/watcher.js';
import { trace } from './trace.js';

export interface PathWatcherParts {
  /** Of which entries of a folder nothing is to be told. */
  readonly ignore: (folder: string, name: string) => boolean;
  readonly changed: () => void;
  /** Why folders cannot be watched; null when they can be again. */
  readonly trouble: (reason: string | null) => void;
}

/** Between two looks at what cannot be watched; milliseconds. */
const LOOK_EVERY = 2000;

/** File systems on which others make changes that this system does not tell of, by the magic numbers of statfs(2). */
const REMOTE = new Set([
  0x6969, // NFS
  0xff534d42, // CIFS
  0xfe534d42, // SMB 2
  0x517b, // SMB
  0x01021997, // 9P: WSL, virtual machines
  0x65735546, // FUSE: sshfs, Docker Desktop
]);

const GONE = new Set(['ENOENT', 'ENOTDIR']);

/** A folder, and what of it matters. */
interface Wanted {
  /** These entries alone; null for all that are not to be ignored. */
  names: Set<string> | null;
}

interface Followed extends Wanted {
  /** Which folder it is: one made anew at its place is another. */
  readonly identity: string;
  handle: FSWatcher | null;
  /** The system's word for why it is not watched. */
  refusal: string | null;
  /** What it looked like last, where it is looked at; null where it is watched alone. */
  look: string | null;
  readonly isRemote: boolean;
}

/**
 * Watches folders, not files: one handle a folder however many files there are, and a rename over a file is seen as
 * surely as a write to it. Of the links on the way to each path the folders are watched, too. What cannot be watched is
 * looked at every two seconds.
 */
export function pathWatcher({ ignore, changed, trouble }: PathWatcherParts): Watcher {
  const followed = new Map<string, Followed>();
  let looking: NodeJS.Timeout | null = null;
  let told: string | null = null;

  const matters = (folder: string, name: string): boolean => {
    const names = followed.get(folder)?.names;
    return names === null || names === undefined ? !ignore(folder, name) : names.has(name);
  };

  const start = (folder: string, one: Followed): void => {
    // Folders alone: chokidar's own bookkeeping of files is switched off by ignoring them, and its `raw` events name
    // the entry that was touched.
    const handle = watch(folder, {
      depth: 0,
      ignoreInitial: true,
      ignored: (_path, stats) => stats !== undefined && !stats.isDirectory(),
    });
    handle.on('raw', (_event, name: string | null) => {
      if (name === null || matters(folder, name)) changed();
    });
    handle.on('error', (error) => refused(folder, one, codeOf(error)));
    one.handle = handle;
    one.refusal = null;
    if (one.isRemote) one.look ??= snapshot(folder, matters);
    else one.look = null;
  };

  /** What the system refuses to watch is looked at; of a folder that is gone the next scan finds out. */
  const refused = (folder: string, one: Followed, code: string): void => {
    if (followed.get(folder) !== one) return;
    if (GONE.has(code)) {
      stop(folder);
      changed();
      return;
    }
    void one.handle?.close();
    one.handle = null;
    one.refusal = code;
    one.look ??= snapshot(folder, matters);
    settle();
  };

  const stop = (folder: string): void => {
    void followed.get(folder)?.handle?.close();
    followed.delete(folder);
  };

  /** Tells of it once, and sees to it that what is not watched is looked at. */
  const settle = (): void => {
    // A folder that has just gone away is no trouble.
    const refused = [...followed.values()].find(({ refusal }) => refusal !== null && !GONE.has(refusal));
    const reason = refused ? whyNot(refused.refusal ?? '') : null;
    if (reason !== told) trouble(reason);
    told = reason;
    const isNeeded = [...followed.values()].some(({ look }) => look !== null);
    if (isNeeded) looking ??= setInterval(lookAtAll, LOOK_EVERY);
    else if (looking) {
      clearInterval(looking);
      looking = null;
    }
  };

  const lookAtAll = (): void => {
    let differs = false;
    for (const [folder, one] of followed) {
      if (one.look === null) continue;
      const now = snapshot(folder, matters);
      differs ||= now !== one.look;
      one.look = now;
      if (!one.handle) start(folder, one);
    }
    settle();
    if (differs) changed();
  };

  return {
    follow(paths) {
      const wanted = wantedFor(paths);
      for (const folder of followed.keys()) if (!wanted.has(folder)) stop(folder);
      let more = false;
      for (const [folder, { names }] of wanted) {
        const identity = identify(folder);
        const before = followed.get(folder);
        if (before && before.identity === identity) {
          before.names = names;
          continue;
        }
        stop(folder);
        if (identity === null) continue;
        const one = { names, identity, handle: null, refusal: null, look: null, isRemote: isRemote(folder) };
        followed.set(folder, one);
        start(folder, one);
        more = true;
      }
      settle();
      // What came into a folder between the scan and the watch is found by one more look.
      if (more) setTimeout(changed, 100).unref();
    },
    async close() {
      if (looking) clearInterval(looking);
      for (const folder of [...followed.keys()]) stop(folder);
    },
  };
}

/** The folders to watch for these paths: of a folder all that is in it, of a file and of a link that one entry. */
function wantedFor(paths: readonly string[]): Map<string, Wanted> {
  const wanted = new Map<string, Wanted>();
  const add = (folder: string, name: string | null): void => {
    const one = wanted.get(folder);
    if (name === null) wanted.set(folder, { names: null });
    else if (one) one.names?.add(name);
    else wanted.set(folder, { names: new Set([name]) });
  };
  for (const path of paths) {
    const { links, real, isFolder } = trace(path);
    for (const link of links) add(dirname(link), basename(link));
    if (real !== null) add(isFolder ? real : dirname(real), isFolder ? null : basename(real));
  }
  return wanted;
}

function identify(folder: string): string | null {
  try {
    const { dev, ino, birthtimeNs } = statSync(folder, { bigint: true });
    // A folder made anew can get the number of the one before it; not its time of birth.
    return `${dev}:${ino}:${birthtimeNs}`;
  } catch {
    return null;
  }
}

/** Something that differs when anything in the folder does that matters. */
function snapshot(folder: string, matters: (folder: string, name: string) => boolean): string {
  try {
    const names = readdirSync(folder).filter((name) => matters(folder, name));
    return names.map((name) => `${name}\0${signature(join(folder, name))}`).join('\0');
  } catch (error) {
    return codeOf(error);
  }
}

function signature(path: string): string {
  const found: BigIntStats | undefined = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return found ? `${found.ino}:${found.size}:${found.mtimeNs}:${found.ctimeNs}` : '';
}

function isRemote(folder: string): boolean {
  try {
    return REMOTE.has(statfsSync(folder).type);
  } catch {
    return false;
  }
}

function whyNot(code: string): string {
  switch (code) {
    case 'ENOSPC':
      return 'the limit of the system is reached; raise fs.inotify.max_user_watches (sysctl)';
    case 'EMFILE':
      return 'the limit of the system is reached; raise fs.inotify.max_user_instances (sysctl), or the number of open files (ulimit -n)';
    default:
      return code;
  }
}
