import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import { FileError, type Files, type Listed } from '../../ports/files.js';
import type { SharedDocuments } from '../../ports/shared.js';
import type { Cipher } from './cipher.js';
import type { RedisLink } from './link.js';

/** A document as it lies in Redis. */
interface Stored {
  /** Counts its saves: what a save is fenced with. */
  readonly generation: number;
  /** Tells two of one generation apart, which a failover may bring about. */
  readonly id: string;
  readonly locked: string;
}

interface Kept extends Stored {
  readonly text: string | null;
  /** Why it cannot be read. */
  readonly trouble: string | null;
}

/**
 * Compare and set: over a document of the generation that is expected, and of no other, so that neither a holder of
 * the lock that was away nor a server that has come back with old data overwrites a newer one. Gives -1, or the
 * generation that is there.
 */
const SAVE = `
local there = redis.call('HGET', KEYS[1], ARGV[1])
local generation = there and tonumber(string.match(there, '^%d+')) or 0
if generation ~= tonumber(ARGV[2]) then return generation end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[4])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('PUBLISH', ARGV[5], ARGV[1])
return -1`;

const HISTORY = '.token-refresher/';
const COPY = '.token-refresher/shared-copy.json';
const AWAY = 'Redis cannot be reached; nothing is spent until it is back';

/** Token files, and what is remembered of them, in Redis; encrypted. */
export function sharedDocuments(link: RedisLink, cipher: Cipher, namespace: string, disk: Files): SharedDocuments {
  const generations = `${namespace}shared:generations`;
  const documents = `${namespace}shared:documents`;
  const channel = `${namespace}shared:changes`;
  const listeners = new Set<() => void>();
  const copy = new Map<string, Kept>();
  /** Paths that are only known from the last time. */
  const recalled = new Set<string>();

  const take = (path: string, stored: Stored): void => {
    // What was asked for before a save of this process's own may arrive after it.
    if (stored.generation < (copy.get(path)?.generation ?? 0)) return;
    try {
      copy.set(path, { ...stored, text: cipher.unlock(stored.locked, `${namespace}${path}`), trouble: null });
    } catch (error) {
      copy.set(path, { ...stored, text: null, trouble: error instanceof Error ? error.message : String(error) });
    }
  };

  /** As it lies in Redis, encrypted: for a start while that is away. */
  const remember = (): void => {
    const all = [...copy].map(([path, { generation, id, locked }]) => [path, { generation, id, locked }]);
    disk.put(COPY, `${JSON.stringify({ namespace, documents: Object.fromEntries(all) })}\n`).catch(() => undefined);
  };

  /** Whether it was saved, over the generation that is expected. */
  const save = async (path: string, expected: number, next: Stored): Promise<boolean> => {
    const { generation, id, locked } = next;
    const mark = markOf(next);
    const values = [path, String(expected), JSON.stringify({ generation, id, locked }), mark, channel];
    const answer = await link.send<number>('EVAL', SAVE, '2', generations, documents, ...values).catch(away);
    // Asked again after a connection broke, it finds what it has saved itself.
    return answer === -1 || (await link.send<string | null>('HGET', generations, path).catch(away)) === mark;
  };

  const pullNow = async (): Promise<void> => {
    const marks = pairs(await link.send<string[]>('HGETALL', generations).catch(away));
    const news = [...marks].flatMap(([path, mark]) => {
      const kept = copy.get(path);
      const older = kept !== undefined && generationOf(mark) < kept.generation && !recalled.has(path);
      return older || (kept && markOf(kept) === mark) ? [] : [path];
    });
    if (news.length > 0) {
      const stored = await link.send<(string | null)[]>('HMGET', documents, ...news).catch(away);
      for (const [index, path] of news.entries()) {
        const text = stored[index];
        if (recalled.delete(path)) copy.delete(path);
        if (text) take(path, JSON.parse(text) as Stored);
      }
    }
    // A Redis that came back with less than it had is given back what this process has seen there; what is only known
    // from the last time is given back where there is nothing.
    for (const [path, kept] of copy) {
      const there = generationOf(marks.get(path) ?? '0');
      if (kept.generation > there && (there === 0 || !recalled.has(path))) await save(path, there, kept);
    }
    if (news.length === 0) return;
    remember();
    for (const listener of listeners) listener();
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
      const expected = before?.generation ?? 0;
      const id = randomBytes(6).toString('hex');
      const stored = { generation: expected + 1, id, locked: cipher.lock(text, `${namespace}${path}`) };
      if (await save(path, expected, stored)) {
        copy.set(path, { ...stored, text, trouble: null });
        remember();
        return;
      }
      await pull();
    }
    throw new FileError('ECONFLICT', 'was changed by another machine meanwhile');
  };

  const look = (path: string): Listed | null => {
    const kept = copy.get(path);
    return kept ? { path, kind: 'file', signature: markOf(kept), size: kept.text?.length ?? 0 } : null;
  };

  link.subscribe(channel, () => void pull().catch(() => undefined));
  link.onConnected(() => void pull().catch(() => undefined));

  return {
    pull,
    recall() {
      for (const [path, stored] of Object.entries(remembered(disk, namespace))) {
        take(path, stored);
        recalled.add(path);
      }
    },
    onChange: (listener) => void listeners.add(listener),
    list: () => {
      const paths = [...copy.keys()].filter((path) => !path.startsWith(HISTORY)).sort();
      return paths.flatMap((path) => look(path) ?? []);
    },
    look,
    signature: (path) => look(path)?.signature ?? '',
    homeOf: (path) => dirname(path),
    read(path) {
      const kept = copy.get(path);
      if (!kept) throw new FileError('ENOENT', 'cannot be read: it does not exist');
      if (kept.text === null) throw new FileError('EKEY', kept.trouble ?? 'cannot be read');
      return kept.text;
    },
    write,
    put: write,
    async reserve(path) {
      await link.send('PING').catch(away);
      return { fill: (text) => write(path, text), release: async () => undefined };
    },
    async remove(path) {
      await link.send('HDEL', documents, path).catch(away);
      await link.send('HDEL', generations, path).catch(away);
      copy.delete(path);
    },
    sweep: () => undefined,
  };
}

function away(error: unknown): never {
  throw new FileError('EREDIS', AWAY, error);
}

function markOf({ generation, id }: Stored): string {
  return `${generation}.${id}`;
}

function generationOf(mark: string): number {
  return Number.parseInt(mark, 10);
}

function remembered(disk: Files, namespace: string): Readonly<Record<string, Stored>> {
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
