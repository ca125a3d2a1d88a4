import { lstatSync, readlinkSync } from 'node:fs';
import { dirname, isAbsolute, join, parse, sep } from 'node:path';

/** Where a path leads, and by which links. */
export interface Trace {
  /** The symbolic links on the way, each as it is reached. */
  readonly links: readonly string[];
  /** Where it ends; null when it leads nowhere. */
  readonly real: string | null;
  readonly isFolder: boolean;
}

/** More than any system follows. */
const MOST_LINKS = 64;

/** Follows an absolute path by hand: a link that is turned is seen only by who watches the folder that it is in. */
export function trace(path: string): Trace {
  const links: string[] = [];
  let { root: at } = parse(path);
  let rest = path.slice(at.length).split(sep);
  let isFolder = true;
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    if (name === '' || name === '.') continue;
    if (name === '..') {
      at = dirname(at);
      continue;
    }
    const next = join(at, name);
    try {
      const found = lstatSync(next);
      isFolder = found.isDirectory();
      if (!found.isSymbolicLink()) {
        at = next;
        continue;
      }
      links.push(next);
      if (links.length > MOST_LINKS) return { links, real: null, isFolder: false };
      const target = readlinkSync(next);
      if (isAbsolute(target)) at = parse(target).root;
      rest = [...(isAbsolute(target) ? target.slice(at.length) : target).split(sep), ...rest];
    } catch {
      return { links, real: null, isFolder: false };
    }
  }
  return { links, real: at, isFolder };
}
