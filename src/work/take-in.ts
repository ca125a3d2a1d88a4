import { formatOf } from '../ground/formats/index.js';
import { isRecord } from '../ground/problem.js';
import type { Token } from '../ground/token.js';
import type { Digest } from '../ports/digest.js';
import type { Documents } from '../ports/documents.js';
import { FileError, type Files, type Listed } from '../ports/files.js';
import type { LockPlace, Locks } from '../ports/locks.js';
import type { Log } from '../ports/log.js';
import type { SharedDocuments } from '../ports/shared-documents.js';
import type { HistoryStore } from '../ports/stores.js';

/** Takes the token files of this machine in among those that are shared, where there is nothing newer. */
export type TakeIn = () => Promise<void>;

export interface TakeInParts {
  readonly disk: Files;
  readonly shared: SharedDocuments;
  readonly list: () => readonly Listed[];
  readonly documents: Documents;
  readonly locks: Locks;
  readonly histories: HistoryStore;
  readonly digest: Digest;
  readonly log: Log;
}

/** Seconds; a refresh that is under way elsewhere brings something newer anyway. */
const LOCK_PATIENCE = 5;

/** As many as machines that bring one token, and a few. */
const MARKS = 50;

export function createTakeIn(parts: TakeInParts): TakeIn {
  const { disk, shared, list, documents, locks, histories, digest, log } = parts;
  const taken = new Map<string, string>();
  let patience = LOCK_PATIENCE;

  const readDocument = (files: Files, path: string): Record<string, unknown> | null => {
    if (!files.look(path)) return null;
    const parsed = documents.parse(files.read(path));
    return 'value' in parsed && isRecord(parsed.value) ? parsed.value : null;
  };
  const there = (path: string, { at }: Token): Token | undefined => {
    const document = readDocument(shared, path) ?? {};
    return formatOf(path, document)
      .read(path, document)
      .find((token) => token.at.join('\0') === at.join('\0'));
  };

  /** Under the token's lock: nobody refreshes it meanwhile. */
  const locked = async (place: LockPlace, work: () => Promise<void>): Promise<void> => {
    const lock = await locks.acquire(place, patience);
    if (!lock) {
      // Once for all of them.
      patience = 0;
      throw new FileError('ELOCKED', 'is being refreshed by another machine');
    }
    try {
      await work();
    } finally {
      await lock.release();
    }
  };
  const put = async (path: string, name: string, text: string): Promise<void> => {
    await shared.write(path, text);
    log.info('SCAN', `${path}: ${name} is shared with the other machines now`, { file: path });
  };

  const takeToken = async (path: string, own: Readonly<Record<string, unknown>>, token: Token): Promise<void> => {
    const mark = digest(token.access?.reveal() ?? null, token.refresh?.reveal() ?? null);
    // What has been there before is older than whatever is there now, whenever it ends.
    const wasTaken = (): boolean => histories.read(token).taken?.includes(mark) === true;
    if (wasTaken()) return;
    await locked(token, async () => {
      if (wasTaken()) return;
      if (isNewer(token, there(path, token))) {
        const now = readDocument(shared, path);
        const next = now ? `${JSON.stringify(copyAt(now, own, token.at), null, 2)}\n` : disk.read(path);
        await put(path, token.name, next);
      }
      const history = histories.read(token);
      await histories.note({ ...history, taken: [...(history.taken ?? []), mark].slice(-MARKS) });
    });
  };

  const takeFile = async (path: string): Promise<void> => {
    const own = readDocument(disk, path);
    if (!own) return;
    const mine = formatOf(path, own).read(path, own);
    for (const token of mine) await takeToken(path, own, token);
    // The credentials of an agent, which hold no token.
    if (mine.length > 0 || shared.look(path)) return;
    await locked({ file: path, at: null }, async () => {
      if (!shared.look(path)) await put(path, path, disk.read(path));
    });
  };

  return async () => {
    patience = LOCK_PATIENCE;
    for (const { path, signature } of list()) {
      if (taken.get(path) === signature) continue;
      try {
        await takeFile(path);
        taken.set(path, signature);
      } catch (error) {
        // Redis is away, or another machine was faster: the next look tells.
        if (!(error instanceof FileError)) throw error;
        log.debug('SCAN', `${path}: is not shared yet: ${error.message}`, { file: path });
        if (error.code === 'EREDIS') return;
      }
    }
  };
}

/** The token that ends later is the newer one; of two that do not tell, the shared one counts. */
function isNewer(mine: Token, theirs: Token | undefined): boolean {
  if (!theirs) return true;
  if (mine.access?.reveal() === theirs.access?.reveal() || mine.expiry.at === null) return false;
  return theirs.expiry.at === null || mine.expiry.at > theirs.expiry.at;
}

/** `to` with what `from` has at this place. */
function copyAt(
  to: Readonly<Record<string, unknown>>,
  from: Readonly<Record<string, unknown>>,
  [key, ...rest]: readonly string[],
): Record<string, unknown> {
  if (key === undefined) return { ...from };
  const [target, source] = [to[key], from[key]];
  return { ...to, [key]: copyAt(isRecord(target) ? target : {}, isRecord(source) ? source : {}, rest) };
}
