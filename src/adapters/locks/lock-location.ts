import { accessSync, type BigIntStats, constants, existsSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import { homedir, tmpdir, userInfo } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { realTarget } from '../../disk/real-target.js';
import { fileNameFor, placeKey, stateNameOf } from '../../ground/file-name.js';
import type { Digest } from '../../ports/digest.js';
import type { LockPlace } from '../../ports/locks.js';

/** Where the lock files of one lock lie. */
export interface LockLocation {
  /** A folder that has to be there; what is made below it becomes its owner's. */
  readonly base: string;
  /** Relative to `base`. */
  readonly folder: string;
  readonly name: string;
}

const TOKENS = '.oauth-tokens';
const LOCKS = '.locks';

/**
 * Where the lock of a file lies: beside the real file, whatever root it is reached from and by whatever links, namely
 * in the nearest `.oauth-tokens` on the way up from it, else in a folder of its own beside it. The first location is
 * the one to lock at. The others are those of processes that saw another `.oauth-tokens` as the nearest one, before
 * one was made or after one was removed: whoever holds a lock there holds this one.
 */
export function lockLocations(root: string, { file, at }: LockPlace, digest: Digest): readonly LockLocation[] {
  const real = realTarget(resolve(root, file));
  const home = realRoot(root);
  const locationIn = (base: string, folder: string): LockLocation => ({
    base,
    folder,
    name: stateNameOf({ file: relative(base, real).replaceAll('\\', '/'), at }, digest),
  });
  const locations: LockLocation[] = [];
  for (let folder = dirname(real), below = ''; folder !== below; below = folder, folder = dirname(folder)) {
    // That of the own root is made when it is needed.
    if (folder === home || isFolder(join(folder, TOKENS))) locations.push(locationIn(folder, `${TOKENS}/${LOCKS}`));
  }
  const beside = dirname(real);
  const isBeside = basename(beside) !== TOKENS && existsSync(join(beside, LOCKS));
  if (locations.length === 0 || isBeside) locations.push(locationIn(beside, LOCKS));
  const [nearest] = locations;
  if (nearest && nearest.base !== home && !mayWrite(nearest)) {
    return [locationIn(home, `${TOKENS}/${LOCKS}`), ...locations];
  }
  return locations;
}

/**
 * The names of a file with several (hard links) may have no folder in common: their lock lies in the private folders
 * of this user on this machine, in as many of them as there are. None for any other file.
 */
export function hardLinkLocations(root: string, { file, at }: LockPlace, digest: Digest): readonly LockLocation[] {
  const found = statOf(resolve(root, file));
  if (!found || found.nlink <= 1n) return [];
  const name = fileNameFor(placeKey({ file: `${found.dev}-${found.ino}`, at }), digest);
  const state = process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state');
  const folders = [
    join(state, 'mcp-token-refresher', 'locks'),
    join(tmpdir(), `mcp-token-refresher-${userInfo().uid}`),
  ];
  return folders.filter(isOrBecomesPrivate).map((base) => ({ base, folder: '', name }));
}

/** A folder in a place that everybody may write to could be somebody else's. */
function isOrBecomesPrivate(folder: string): boolean {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch {
    return false;
  }
  const found = statOf(folder);
  return found !== null && found.uid === BigInt(process.getuid?.() ?? 0) && (found.mode & 0o077n) === 0n;
}

function mayWrite({ base, folder }: LockLocation): boolean {
  const path = join(base, folder);
  try {
    accessSync(existsSync(path) ? path : dirname(path), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function realRoot(root: string): string {
  try {
    return realpathSync.native(root);
  } catch {
    return root;
  }
}

function isFolder(path: string): boolean {
  return statOf(path)?.isDirectory() ?? false;
}

function statOf(path: string): BigIntStats | null {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false }) ?? null;
  } catch {
    return null;
  }
}
