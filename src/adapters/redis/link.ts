import { createClient } from 'redis';
import type { RedisSettings } from '../../ground/redis-settings.js';
import { FileError } from '../../ports/files.js';

/** As much of a client as is needed here; commands reject at once while Redis is away. */
export interface RedisLink {
  readonly connected: boolean;
  send<T>(...command: string[]): Promise<T>;
  /** Counts the connections. */
  readonly epoch: number;
  /** Called at every connection, the first one included; gives what ends that. */
  onConnected(listener: () => void): () => void;
  /** Called with what stands in the way, once for each time that it changes; null when nothing does any more. */
  onTrouble(listener: (reason: string | null) => void): void;
  /** Calls back for every message, on a connection of its own, and whenever messages may have been missed. */
  subscribe(channel: string, listener: (message: string) => void): void;
  /** Resolves when connected, or after so many seconds. */
  reached(seconds: number): Promise<boolean>;
  /** The process may end although this is open. */
  unref(): void;
  close(): void;
}

/** Milliseconds between two attempts to connect, at most. */
const LONGEST_PAUSE = 2000;
/** Seconds after which whoever could be connected anew is: the longest pause, and the attempt. */
export const CONNECTED_AGAIN_AFTER = 2.5;

/** A connection that is looked after for as long as the process lives. */
export function connectRedis(settings: RedisSettings): RedisLink {
  const { url, connectTimeout, socketTimeout, keepAlive, maxRetries, retryDelay, healthCheckInterval } = settings;
  const troubles = new Set<(reason: string | null) => void>();
  let trouble: string | null = null;
  const tell = (reason: string | null): void => {
    if (reason === trouble) return;
    trouble = reason;
    for (const listener of troubles) listener(reason);
  };
  // Pings keep a connection that works from being taken for a dead one.
  const silence = socketTimeout ?? (healthCheckInterval > 0 ? healthCheckInterval + connectTimeout : null);
  const client = createClient({
    url: url.reveal(),
    name: 'token-refresher',
    disableOfflineQueue: true,
    pingInterval: healthCheckInterval * 1000,
    socket: {
      connectTimeout: connectTimeout * 1000,
      keepAlive,
      ...(silence !== null && { socketTimeout: silence * 1000 }),
      // At once, then with growing pauses.
      reconnectStrategy: (retries) =>
        retries === 0 ? 20 : Math.min(retryDelay * 1000 * 2 ** Math.min(retries - 1, 10), LONGEST_PAUSE),
    },
  });
  // Each lock that is held has one.
  client.setMaxListeners(0);
  client.on('error', (error: Error) => tell(reasonOf(error)));
  let epoch = 0;
  client.on('ready', () => {
    epoch += 1;
    tell(null);
  });
  client.connect().catch(() => undefined);
  /** Rejects when no answer comes, and connects anew: what was sent may be carried out all the same. */
  const ask = async <T>(command: readonly string[]): Promise<T> => {
    const asked = epoch;
    const half = connectTimeout * 500;
    let timer: NodeJS.Timeout | undefined;
    const silent = new Promise<never>((_, reject) => {
      const giveUp = (): void => {
        reject(new Error('no answer'));
        tell('it does not answer');
        if (epoch !== asked || !client.isReady) return;
        client.destroy();
        client.connect().catch(() => undefined);
      };
      // In two halves: to a process that was stopped, the first one is over before it has read anything.
      timer = setTimeout(() => {
        timer = setTimeout(giveUp, half);
      }, half);
    });
    const answer = client.sendCommand<T>(command);
    answer.catch(() => undefined);
    return Promise.race([answer, silent]).finally(() => clearTimeout(timer));
  };
  const others: { destroy(): void; unref(): void }[] = [];

  return {
    get connected() {
      return client.isReady;
    },
    async send<T>(...command: string[]): Promise<T> {
      for (let tries = 0; ; tries += 1) {
        try {
          return await ask<T>(command);
        } catch (error) {
          // What Redis itself refuses it will refuse again.
          if (refusalOf(error) !== null || tries >= maxRetries) throw error;
          await new Promise((resolve) => setTimeout(resolve, retryDelay * 1000));
        }
      }
    },
    get epoch() {
      return epoch;
    },
    onConnected(listener) {
      client.on('ready', listener);
      return () => client.off('ready', listener);
    },
    onTrouble: (listener) => void troubles.add(listener),
    subscribe(channel, listener) {
      const subscriber = client.duplicate();
      others.push(subscriber);
      subscriber.on('error', () => undefined);
      subscriber.connect().catch(() => undefined);
      subscriber.on('ready', async () => {
        // Once is enough for the client; but the first time may have failed.
        await subscriber.subscribe(channel, listener).catch(() => undefined);
        // What was said while nobody listened is not said again.
        listener('');
      });
    },
    async reached(seconds) {
      if (client.isReady) return true;
      return new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(false), seconds * 1000);
        client.once('ready', () => {
          clearTimeout(timer);
          resolve(true);
        });
      });
    },
    unref() {
      for (const one of [client, ...others]) one.unref();
    },
    close() {
      for (const one of [client, ...others]) one.destroy();
    },
  };
}

/** Answers that another try may not bring: Redis has just been started, or is busy. */
const PASSING = ['LOADING', 'BUSY', 'TRYAGAIN', 'MASTERDOWN'];

/** The code that an answer of Redis itself begins with, as WRONGTYPE or OOM; null for what passes by itself. */
function refusalOf(error: unknown): string | null {
  const code = error instanceof Error ? /^[A-Z]{3,}\b/.exec(error.message)?.[0] : undefined;
  return code === undefined || PASSING.includes(code) ? null : code;
}

/** What keeps Redis from doing what it was asked, after `Redis` or `which`. */
export function troubleOf(error: unknown): string {
  const cause = error instanceof FileError ? error.cause : error;
  const refusal = refusalOf(cause);
  if (refusal === null) return 'cannot be reached; nothing is spent until it is back';
  return `refuses it (${refusal}); nothing is spent until that is mended`;
}

/** A reason without the address, which may hold a password. */
function reasonOf(error: Error): string {
  const code = 'code' in error ? String(error.code) : '';
  if (code === 'ECONNREFUSED') return 'it refuses connections';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'its name cannot be resolved';
  return code || (/^[A-Z]{3,}/.exec(error.message)?.[0] ?? error.name);
}
