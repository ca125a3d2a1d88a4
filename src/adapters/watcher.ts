import { statSync } from 'node:fs';
import { join } from 'node:path';
import { type FSWatcher, watch } from 'chokidar';
import type { Watcher } from '../ports/watcher.js';

/** The folders that inputs and templates come from, relative to the root. */
const FOLDERS = [
  '.',
  '.oauth-tokens',
  'registry',
  'registry/servers',
  'registry/providers',
  'registry/tokens',
  'templates',
  'templates/live',
  'templates/http',
  'templates/env',
  'templates/partials',
  'schemas',
];

/**
 * Folders are watched, files are not: one handle a folder however many files there are, and a rename over a file
 * is seen as surely as a write to it. That is what chokidar's `raw` events give, which name the entry of the
 * folder that was touched; its own bookkeeping of files is switched off by ignoring them.
 */
export function folderWatcher(root: string, ignore: (name: string) => boolean, changed: () => void): Watcher {
  const followed = new Map<string, string>();
  let watcher: FSWatcher | null = null;
  const start = (): FSWatcher => {
    const made = watch([], {
      depth: 0,
      ignoreInitial: true,
      ignored: (_path, stats) => stats !== undefined && !stats.isDirectory(),
    });
    made.on('raw', (_event, name: string | null, details) => {
      const { watchedPath } = details as { watchedPath: string };
      // Temporary files are somebody's write that is not yet one.
      if (name === null || !(name.endsWith('.tmp') || (watchedPath === root && ignore(name)))) changed();
    });
    made.on('error', () => changed());
    return made;
  };
  return {
    async follow() {
      watcher ??= start();
      let more = false;
      for (const folder of FOLDERS) {
        const path = folder === '.' ? root : join(root, folder);
        const identity = identityOf(path);
        if (followed.get(path) === identity) continue;
        if (followed.has(path)) watcher.unwatch(path);
        if (identity === undefined) followed.delete(path);
        else {
          followed.set(path, identity);
          watcher.add(path);
          more = true;
        }
      }
      // What came into a folder between the scan and the watch is found by one more look.
      if (more) setTimeout(() => changed(), 100).unref();
    },
    async close() {
      await watcher?.close();
    },
  };
}

function identityOf(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  // A folder made anew can get the number of the one before it; not its time of birth.
  return found?.isDirectory() ? `${found.dev}:${found.ino}:${found.birthtimeNs}` : undefined;
}
