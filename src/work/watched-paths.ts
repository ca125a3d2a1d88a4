import { globBase } from '../ground/glob.js';
import type { Files } from '../ports/files.js';
import type { World } from './load.js';

/** Where links may be that are no token files or definitions. */
const OTHERS = [
  '.env',
  'registry/servers/server_state.json',
  'registry/providers/*.json',
  'registry/tokens/*.json',
  'templates/*/*.hbs',
  'schemas/*.json',
];

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

/** As `watchedPaths`, worked out again only when something may have changed it. */
export function createPathList(files: Files, globs: readonly string[]): (world: World | null) => readonly string[] {
  const deep = globs.some((glob) => glob.includes('**'));
  let known: { readonly world: World | null; readonly paths: readonly string[] } | null = null;
  return (world) => {
    if (!known || deep || known.world !== world) known = { world, paths: watchedPaths(files, globs, world) };
    return known.paths;
  };
}

/**
 * Every path at which a change may matter: the known folders, those below which the globs of token files look, and
 * files that are links.
 */
function watchedPaths(files: Files, globs: readonly string[], world: World | null): string[] {
  const paths = new Set(FOLDERS);
  for (const glob of globs) {
    const base = globBase(glob);
    if (base === '') continue;
    addWithParents(paths, base.slice(0, -1));
    if (glob.includes('**')) {
      for (const { path, kind } of files.list([`${base}**`])) if (kind === 'folder') paths.add(path);
    }
  }
  const inputs = [...(world?.tokens ?? []), ...(world?.servers ?? [])].map(({ file }) => file);
  for (const file of inputs) paths.add(file.slice(0, file.lastIndexOf('/') + 1) || '.');
  const others = world ? files.list(OTHERS).map(({ path }) => path) : [];
  for (const file of [...inputs, ...others]) if (files.isLink(file)) paths.add(file);
  return [...paths];
}

function addWithParents(folders: Set<string>, path: string): void {
  const parts = path.split('/');
  for (let length = 1; length <= parts.length; length += 1) folders.add(parts.slice(0, length).join('/'));
}
