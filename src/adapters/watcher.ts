import { realpathSync, statSync } from 'node:fs';
import { type FSWatcher, watch } from 'chokidar';
import type { Watcher } from '../ports/watcher.js';

/**
 * Folders are watched, files are not: one handle a folder however many files there are, and a rename over a file
 * is seen as surely as a write to it. That is what chokidar's `raw` events give, which name the entry of the
 * folder that was touched; its own bookkeeping of files is switched off by ignoring them. `ignore` says of which
 * entries nothing is to be told.
 */
export function folderWatcher(ignore: (folder: string, name: string) => boolean, changed: () => void): Watcher {
  /** By the folder as it is named: where it really is, and which one. */
  const followed = new Map<string, { readonly real: string; readonly identity: string }>();
  let watcher: FSWatcher | null = null;
  const start = (): FSWatcher => {
    const made = watch([], {
      depth: 0,
      ignoreInitial: true,
      ignored: (_path, stats) => stats !== undefined && !stats.isDirectory(),
    });
    made.on('raw', (_event, name: string | null, details) => {
      const { watchedPath } = details as { watchedPath: string };
      if (name === null || !ignore(watchedPath, name)) changed();
    });
    made.on('error', () => changed());
    return made;
  };
  return {
    follow(folders) {
      watcher ??= start();
      let more = false;
      for (const folder of folders) {
        const before = followed.get(folder);
        const now = identify(folder);
        if (before?.identity === now?.identity) continue;
        if (before) watcher.unwatch(before.real);
        followed.delete(folder);
        if (now) {
          followed.set(folder, now);
          watcher.add(now.real);
          more = true;
        }
      }
      // What came into a folder between the scan and the watch is found by one more look.
      if (more) setTimeout(changed, 100).unref();
    },
    async close() {
      await watcher?.close();
    },
  };
}

function identify(folder: string): { real: string; identity: string } | null {
  try {
    const real = realpathSync(folder);
    const found = statSync(real, { bigint: true });
    // A folder made anew can get the number of the one before it; not its time of birth.
    return found.isDirectory() ? { real, identity: `${real} ${found.dev}:${found.ino}:${found.birthtimeNs}` } : null;
  } catch {
    return null;
  }
}
