import { dirname } from 'node:path';
import { FileError, type Files, type Listed } from '../../ports/files.js';
import type { SharedDocuments } from '../../ports/shared-documents.js';
import type { Cipher } from './cipher.js';
import { type RedisLink, troubleOf } from './link.js';
import { isLater, type Mark, NO_MARK, successorOf } from './mark.js';

/** A document as it lies in Redis. */
interface Stored {
  readonly mark: Mark;
  readonly locked: string;
}

interface Kept extends Stored {
  readonly text: string | null;
  /** Why it cannot be read. */
  readonly trouble: string | null;
}

/**
 * Compare and set: over the very state that is expected, and over no other, so that neither a holder of the lock that
 * was away nor a server that has come back with old data overwrites a newer one. A mark without a document, which Redis
 * may have evicted, is none.
 */
const SAVE = `
local there = redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 and redis.call('HGET', KEYS[1], ARGV[1]) or ''
if there ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[4])
redis.call('PUBLISH', ARGV[5], ARGV[1])
return 1`;

const HISTORY = '.token-refresher/';
const COPY = '.token-refresher/shared-copy.json';
const PULL_AGAIN_AFTER_MS = 1000;

/** Token files, and what is remembered of them, in Redis; encrypted. */
export function sharedDocuments(link: RedisLink, cipher: Cipher, namespace: string, disk: Files): SharedDocuments {
  const generations = `${namespace}shared:generations`;
  const documents = `${namespace}shared:documents`;
  const channel = `${namespace}shared:changes`;
  const listeners = new Set<() => void>();
  const copy = new Map<string, Kept>();
  const send = <T>(...command: string[]): Promise<T> => link.send<T>(...command).catch(away);
  // Bound to its mark, an old document cannot be passed off as a new one.
  const about = (path: string, mark: Mark): string => `${namespace}${path} ${mark}`;

  const take = (path: string, stored: Stored): void => {
    const kept = copy.get(path);
    // What was asked for before a save of this process's own may arrive after it.
    if (kept && isLater(kept.mark, stored.mark)) return;
    try {
      copy.set(path, { ...stored, text: cipher.unlock(stored.locked, about(path, stored.mark)), trouble: null });
    } catch (error) {
      copy.set(path, { ...stored, text: null, trouble: error instanceof Error ? error.message : String(error) });
    }
  };

  let remembering: Promise<void> | null = null;
  let isRemembered = true;
  /** As it lies in Redis, encrypted: for a start while that is away, or has lost it. */
  const remember = (): Promise<void> => {
    isRemembered = false;
    remembering ??= (async () => {
      while (!isRemembered) {
        isRemembered = true;
        const all = [...copy].map(([path, { mark, locked }]) => [path, { mark, locked }]);
        const text = JSON.stringify({ namespace, documents: Object.fromEntries(all) });
        await disk.put(COPY, `${text}\n`).catch(() => undefined);
      }
      remembering = null;
    })();
    return remembering;
  };

  /** Whether it was saved, over the state that is expected. */
  const save = async (path: string, expected: Mark, { mark, locked }: Stored): Promise<boolean> => {
    const values = [path, expected, mark, JSON.stringify({ mark, locked }), channel];
    const answer = await send<number>('EVAL', SAVE, '2', generations, documents, ...values);
    // Asked again after a connection broke, it finds what it has saved itself.
    return answer === 1 || (await send<string | null>('HGET', generations, path)) === mark;
  };

  const marksThere = async (): Promise<Map<string, Mark>> => {
    const marks = pairs(await send<string[]>('HGETALL', generations));
    if ((await send<number>('HLEN', documents)) === marks.size) return marks;
    const there = new Set(await send<string[]>('HKEYS', documents));
    return new Map([...marks].filter(([path]) => there.has(path)));
  };

  const pullNow = async (): Promise<void> => {
    const marks = await marksThere();
    const news = [...marks].flatMap(([path, mark]) => {
      const kept = copy.get(path);
      return kept && (kept.mark === mark || isLater(kept.mark, mark)) ? [] : [path];
    });
    if (news.length > 0) {
      const found = await send<(string | null)[]>('HMGET', documents, ...news);
      for (const [index, path] of news.entries()) {
        const text = found[index];
        if (text) take(path, storedIn(text) ?? { mark: marks.get(path) ?? NO_MARK, locked: text });
      }
    }
    if (news.length > 0) {
      void remember();
      for (const listener of listeners) listener();
    }
    // A Redis that came back with less than it had is given back what has been seen there.
    for (const [path, kept] of copy) {
      const there = marks.get(path) ?? NO_MARK;
      if (there === NO_MARK || isLater(kept.mark, there)) await save(path, there, kept);
    }
  };

  let pulling: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  /** One that begins now, not one that is under way: what it has asked for may be old already. */
  const pull = (): Promise<void> => {
    if (pulling) {
      next ??= pulling
        .catch(() => undefined)
        .then(() => {
          next = null;
          return pull();
        });
      return next;
    }
    pulling = pullNow().finally(() => {
      pulling = null;
    });
    return pulling;
  };

  const write = async (path: string, text: string): Promise<void> => {
    // What is remembered of a token is written by whoever holds its lock: the newest counts.
    const tries = path.startsWith(HISTORY) ? 5 : 1;
    for (let n = 0; n < tries; n += 1) {
      const before = copy.get(path);
      if (before && before.text === null) throw new FileError('EKEY', before.trouble ?? 'cannot be read');
      const expected = before?.mark ?? NO_MARK;
      const mark = successorOf(expected);
      const stored = { mark, locked: cipher.lock(text, about(path, mark)) };
      if (await save(path, expected, stored)) {
        copy.set(path, { ...stored, text, trouble: null });
        const remembered = remember();
        if (tries === 1) await remembered;
        return;
      }
      await pull();
    }
    throw new FileError('ECONFLICT', 'was changed by another machine meanwhile');
  };

  const look = (path: string): Listed | null => {
    const kept = copy.get(path);
    return kept ? { path, kind: 'file', signature: kept.mark, size: kept.text?.length ?? 0 } : null;
  };

  let again: NodeJS.Timeout | null = null;
  const follow = (): void => {
    if (again) clearTimeout(again);
    again = null;
    pull().catch(() => {
      // Without a connection, the next one begins it anew.
      if (link.connected) again ??= setTimeout(follow, PULL_AGAIN_AFTER_MS).unref();
    });
  };
  link.subscribe(channel, follow);
  link.onConnected(follow);

  return {
    pull,
    recall() {
      for (const [path, stored] of Object.entries(rememberedOn(disk, namespace))) take(path, stored);
    },
    onChange: (listener) => void listeners.add(listener),
    list: () => {
      const paths = [...copy.keys()].filter((path) => !path.startsWith(HISTORY)).sort();
      return paths.flatMap((path) => look(path) ?? []);
    },
    names: (folder) =>
      [...copy.keys()].flatMap((path) => (path.startsWith(`${folder}/`) ? [path.slice(folder.length + 1)] : [])),
    look,
    signature: (path) => look(path)?.signature ?? '',
    homeOf: (path) => dirname(path),
    isLink: () => false,
    read(path) {
      const kept = copy.get(path);
      if (!kept) throw new FileError('ENOENT', 'cannot be read: it does not exist');
      if (kept.text === null) throw new FileError('EKEY', kept.trouble ?? 'cannot be read');
      return kept.text;
    },
    write,
    put: write,
    async reserve(path) {
      await send('PING');
      return { fill: (text) => write(path, text), release: async () => undefined };
    },
    async remove(path) {
      await send('HDEL', documents, path);
      await send('HDEL', generations, path);
      copy.delete(path);
    },
    sweep: () => undefined,
  };
}

function away(error: unknown): never {
  throw new FileError('EREDIS', `Redis ${troubleOf(error)}`, error);
}

/** Null for what this program has not written. */
function storedIn(text: string): Stored | null {
  try {
    const { mark, locked } = JSON.parse(text) as Partial<Stored>;
    return typeof mark === 'string' && typeof locked === 'string' ? { mark, locked } : null;
  } catch {
    return null;
  }
}

function rememberedOn(disk: Files, namespace: string): Readonly<Record<string, Stored>> {
  try {
    const found = JSON.parse(disk.read(COPY)) as { namespace: string; documents: Record<string, Stored> };
    return found.namespace === namespace ? found.documents : {};
  } catch {
    // The first time, or a copy that was cut off: Redis has it all.
    return {};
  }
}

/** What HGETALL answers: field after value, or an object where the protocol has maps. */
function pairs(answer: readonly string[] | Readonly<Record<string, string>>): Map<string, string> {
  if (!Array.isArray(answer)) return new Map(Object.entries(answer));
  const found = new Map<string, string>();
  for (let n = 0; n + 1 < answer.length; n += 2) found.set(answer[n] ?? '', answer[n + 1] ?? '');
  return found;
}
