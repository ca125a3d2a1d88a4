import { globBase } from '../ground/glob.js';
import type { Files } from '../ports/files.js';
import type { World } from './load.js';

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

/** As `watchedFolders`, worked out again only when something may have changed it. */
export function createFolderList(files: Files, globs: readonly string[]): (world: World | null) => readonly string[] {
  const deep = globs.some((glob) => glob.includes('**'));
  let known: { readonly world: World | null; readonly folders: readonly string[] } | null = null;
  return (world) => {
    if (!known || deep || known.world !== world) known = { world, folders: watchedFolders(files, globs, world) };
    return known.folders;
  };
}

/**
 * Every folder in which a change may matter: the known ones, those below which the globs of token files look, and
 * those in which a token file that is a link really lies.
 */
function watchedFolders(files: Files, globs: readonly string[], world: World | null): string[] {
  const folders = new Set(FOLDERS);
  for (const glob of globs) {
    const base = globBase(glob);
    if (base === '') continue;
    addWithParents(folders, base.slice(0, -1));
    if (glob.includes('**')) {
      for (const { path, kind } of files.list([`${base}**`])) if (kind === 'folder') folders.add(path);
    }
  }
  for (const { file } of world?.tokens ?? []) folders.add(files.homeOf(file));
  return [...folders];
}

function addWithParents(folders: Set<string>, path: string): void {
  const parts = path.split('/');
  for (let length = 1; length <= parts.length; length += 1) folders.add(parts.slice(0, length).join('/'));
}
