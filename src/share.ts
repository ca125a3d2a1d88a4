import { createCipher } from './adapters/redis/cipher.js';
import { connectRedis } from './adapters/redis/link.js';
import { sharedDocuments } from './adapters/redis/shared-documents.js';
import { sharedLocks } from './adapters/redis/shared-locks.js';
import type { RedisSettings } from './ground/redis-settings.js';
import type { Secret } from './ground/secret.js';
import type { Clock } from './ports/clock.js';
import type { Files } from './ports/files.js';
import type { Locks } from './ports/locks.js';
import type { Log } from './ports/log.js';
import type { SharedDocuments } from './ports/shared.js';

export interface ShareParts {
  readonly redis: RedisSettings;
  readonly keys: readonly Secret[];
  readonly clock: Clock;
  readonly log: Log;
  /** Where a copy is kept, for a start without Redis. */
  readonly files: Files;
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
export async function share({ redis, keys, clock, log, files, lasting }: ShareParts): Promise<Share> {
  const link = connectRedis(redis);
  link.onTrouble((reason) => {
    if (reason === null) log.info('SCAN', 'the tokens of all machines can be reached again');
    else log.warning('SCAN', `Redis cannot be reached: ${reason}; tokens in hand are served, none is refreshed`);
  });
  const documents = sharedDocuments(link, createCipher(keys), redis.namespace, files);
  const awayPatience = lasting ? PATIENCE : PATIENCE_OF_A_CALL;
  const locks = sharedLocks(link, redis.namespace, clock, { acquired: documents.pull, awayPatience });
  if (!lasting) link.unref();
  if (await link.reached(redis.connectTimeout)) await documents.pull();
  else documents.recall();
  return { documents, locks, close: () => link.close() };
}
