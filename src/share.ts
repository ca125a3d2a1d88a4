import { sha256 } from './adapters/digest.js';
import { historyFiles } from './adapters/history-files.js';
import { createCipher } from './adapters/redis/cipher.js';
import { connectRedis } from './adapters/redis/link.js';
import { sharedDocuments } from './adapters/redis/shared-documents.js';
import { sharedLocks } from './adapters/redis/shared-locks.js';
import { formatOf } from './ground/formats/index.js';
import { isRecord } from './ground/problem.js';
import type { RedisSettings } from './ground/redis-settings.js';
import type { Secret } from './ground/secret.js';
import type { Token } from './ground/token.js';
import type { Clock } from './ports/clock.js';
import type { Documents } from './ports/documents.js';
import { FileError, type Files } from './ports/files.js';
import type { Locks } from './ports/locks.js';
import type { Log } from './ports/log.js';
import type { SharedDocuments } from './ports/shared-documents.js';
import { spendsOf } from './work/spent.js';

export interface ShareParts {
  readonly redis: RedisSettings;
  readonly keys: readonly Secret[];
  readonly clock: Clock;
  readonly log: Log;
  /** Where a copy is kept, for a start without Redis. */
  readonly files: Files;
  readonly formats: Documents;
  /** Whether the process goes on until it is told to end, and so waits longer for a Redis that is away. */
  readonly lasting: boolean;
}

/** The tokens of several machines. */
export interface Share {
  readonly documents: SharedDocuments;
  readonly locks: Locks;
  close(): void;
}

/** Seconds for which a refresh waits for a Redis that is away. */
const PATIENCE = 90;
const PATIENCE_OF_A_CALL = 5;

/** Connects to what the machines share; loaded only where they do. */
export async function share({ redis, keys, clock, log, files, formats, lasting }: ShareParts): Promise<Share> {
  const link = connectRedis(redis);
  link.onTrouble((reason) => {
    if (reason === null) log.info('SCAN', 'the tokens of all machines can be reached again');
    else log.warning('SCAN', `Redis cannot be reached: ${reason}; tokens in hand are served, none is refreshed`);
  });
  const documents = sharedDocuments(link, createCipher(keys), redis.namespace, files);
  const awayPatience = lasting ? PATIENCE : PATIENCE_OF_A_CALL;
  const histories = historyFiles(documents, formats, sha256);
  const locks = sharedLocks(link, redis.namespace, clock, {
    acquired: documents.pull,
    awayPatience,
    isAsking: async ({ file, at }) => {
      if (at === null) return false;
      await documents.pull();
      const { pending } = histories.read({ name: file, file, at });
      return pending !== null && isHeld(documents, formats, pending.spent);
    },
  });
  if (!lasting) link.unref();
  documents.recall();
  if (await link.reached(redis.connectTimeout)) {
    await documents.pull().catch((error) => {
      if (!(error instanceof FileError)) throw error;
      log.warning('SCAN', `${error.message}; tokens in hand are served`);
    });
  }
  return { documents, locks, close: () => link.close() };
}

/** Whether what was spent has not been replaced yet: an answer may be on its way. */
function isHeld(shared: SharedDocuments, formats: Documents, spent: string): boolean {
  const tokensIn = (path: string): readonly Token[] => {
    try {
      const parsed = formats.parse(shared.read(path));
      return 'value' in parsed && isRecord(parsed.value) ? formatOf(path, parsed.value).read(path, parsed.value) : [];
    } catch (error) {
      // What cannot be read is not refreshed either.
      if (error instanceof FileError) return [];
      throw error;
    }
  };
  return shared.list([]).some(({ path }) => tokensIn(path).some((token) => spendsOf(token, sha256) === spent));
}
