import { existsSync } from 'node:fs';
import { basename, isAbsolute, join, relative, resolve } from 'node:path';
import type { TokenBackup } from '../ground/backup.js';
import { isRecord } from '../ground/problem.js';
import { FileError, type Files } from '../ports/files.js';
import type { SpentLedger, SpentToken, SpentTokens } from '../ports/stores.js';

const FOLDER = '.token-refresher/spent';
/** Beside the tokens themselves, where it outlives `.token-refresher` and is seen from every root that has the file. */
const BESIDE = '.spent';
const TOKENS = '.oauth-tokens';
/** Longer than any provider lets a grant live that it rotates (Atlassian: 365 days), and than backups are kept. */
const KEPT_SECONDS = 500 * 86_400;
/** With fewer there is nothing to be gained. */
const FEW = 10_000;

interface Noted {
  readonly folder: string;
  readonly names: readonly string[];
  readonly hashes: ReadonlySet<string>;
}

/** A file for each spent refresh token, called by its hash: made in one step, and never changed. */
export function spentTokens(
  root: string,
  state: Files,
  disk: Files,
  rescued: () => readonly TokenBackup[],
): SpentTokens {
  /** The folder beside a token's real file, for each holder of one. */
  const beside = new WeakMap<object, string>();
  const besideOf = (holder: { readonly file: string }): string => {
    const known = beside.get(holder);
    if (known !== undefined) return known;
    const home = resolve(root, disk.homeOf(holder.file));
    const found = relativeTo(root, besideFolder(resolve(root), home));
    beside.set(holder, found);
    return found;
  };

  const known = new Map<string, Noted>();
  let version = {};
  let rescuedBefore = 0;
  const noted = (files: Files, folder: string): Noted => {
    const names = files.names(folder);
    const before = known.get(folder);
    if (before?.names === names) return before;
    const now = { folder, names, hashes: new Set(names) };
    known.set(folder, now);
    if (!before || before.hashes.size !== now.hashes.size) version = {};
    return now;
  };

  const describe = (files: Files, path: string, hash: string): SpentToken => {
    const unknown = { hash, at: null, token: '', file: '' };
    try {
      const found: unknown = JSON.parse(files.read(path));
      if (!isRecord(found)) return unknown;
      const { at, token, file } = found;
      return {
        hash,
        at: typeof at === 'number' ? at : null,
        token: typeof token === 'string' ? token : '',
        file: typeof file === 'string' ? file : '',
      };
    } catch {
      // Its name is what counts.
      return unknown;
    }
  };

  return {
    load(): SpentLedger {
      const here = noted(state, FOLDER);
      /** The tokens of one store lie in one folder. */
      const folders = new Map<string, string>();
      const near = new Map([[`${TOKENS}/${BESIDE}`, noted(disk, `${TOKENS}/${BESIDE}`)]]);
      const kept = rescued();
      const find: SpentLedger['find'] = (hash, holder) => {
        const saved = kept.find(({ replaced }) => replaced === hash);
        if (saved) return { hash, at: saved.update.now, token: saved.name, file: saved.file };
        if (here.hashes.has(hash)) return describe(state, `${FOLDER}/${hash}`, hash);
        const folder = folders.get(holder.file) ?? besideOf(holder);
        folders.set(holder.file, folder);
        const there = near.get(folder) ?? noted(disk, folder);
        near.set(folder, there);
        for (const { folder: found, hashes } of new Set([...near.values()])) {
          if (hashes.has(hash)) return describe(disk, `${found}/${hash}`, hash);
        }
        return null;
      };
      if (kept.length !== rescuedBefore) version = {};
      rescuedBefore = kept.length;
      return { version, find };
    },
    async forget(now) {
      const places: [Files, string][] = [
        [state, FOLDER],
        [disk, `${TOKENS}/${BESIDE}`],
      ];
      for (const [files, folder] of places) {
        const names = files.names(folder);
        if (names.length < FEW) continue;
        for (const hash of names) {
          const { at } = describe(files, `${folder}/${hash}`, hash);
          if (at !== null && at < now - KEPT_SECONDS) await files.remove(`${folder}/${hash}`).catch(() => undefined);
        }
      }
    },
    async add({ hash, at, token, file }) {
      const text = `${JSON.stringify({ at, token, file })}\n`;
      const results = await Promise.allSettled([
        state.write(`${FOLDER}/${hash}`, text),
        disk.put(`${besideOf({ file })}/${hash}`, text),
      ]);
      const failed = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
      for (const reason of failed) if (!(reason instanceof FileError)) throw reason;
      if (failed.length === results.length) throw failed[0];
    },
  };
}

/** In the `.oauth-tokens` that the file is in or lies beside; for any other file beside itself. */
function besideFolder(root: string, home: string): string {
  if (basename(home) === TOKENS) return join(home, BESIDE);
  const away = relative(root, home);
  if (!away.startsWith('..') && !isAbsolute(away)) return join(root, TOKENS, BESIDE);
  return existsSync(join(home, TOKENS)) ? join(home, TOKENS, BESIDE) : join(home, BESIDE);
}

/** As `Files` takes it. */
function relativeTo(root: string, path: string): string {
  return relative(root, path).replaceAll('\\', '/');
}
