import { createClient } from 'redis';
import type { RedisSettings } from '../../ground/redis-settings.js';

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
  /** Calls back for every message, on a connection of its own. */
  subscribe(channel: string, listener: (message: string) => void): void;
  /** Resolves when connected, or after so many seconds. */
  reached(seconds: number): Promise<boolean>;
  /** The process may end although this is open. */
  unref(): void;
  close(): void;
}

/** Milliseconds between two attempts to connect, at most. */
const LONGEST_PAUSE = 10_000;

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
  const client = createClient({
    url: url.reveal(),
    name: 'token-refresher',
    disableOfflineQueue: true,
    pingInterval: healthCheckInterval * 1000,
    socket: {
      connectTimeout: connectTimeout * 1000,
      keepAlive,
      ...(socketTimeout !== null && { socketTimeout: socketTimeout * 1000 }),
      // At once, then with growing pauses.
      reconnectStrategy: (retries) =>
        retries === 0 ? 20 : Math.min(retryDelay * 1000 * 2 ** Math.min(retries - 1, 10), LONGEST_PAUSE),
    },
  });
  client.on('error', (error: Error) => tell(reasonOf(error)));
  let epoch = 0;
  client.on('ready', () => {
    epoch += 1;
    tell(null);
  });
  client.connect().catch(() => undefined);
  const others: { destroy(): void; unref(): void }[] = [];

  return {
    get connected() {
      return client.isReady;
    },
    async send<T>(...command: string[]): Promise<T> {
      for (let tries = 0; ; tries += 1) {
        try {
          return await client.sendCommand<T>(command);
        } catch (error) {
          // What Redis itself refuses it will refuse again.
          if (isAnswer(error) || tries >= maxRetries) throw error;
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
      // The client subscribes anew by itself whenever it connects anew.
      subscriber.once('ready', () => void subscriber.subscribe(channel, listener).catch(() => undefined));
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

/** An answer of Redis itself, as WRONGPASS or NOSCRIPT, begins with a code in capitals. */
function isAnswer(error: unknown): boolean {
  return error instanceof Error && /^[A-Z]{3,}\b/.test(error.message);
}

/** A reason without the address, which may hold a password. */
function reasonOf(error: Error): string {
  const code = 'code' in error ? String(error.code) : '';
  if (code === 'ECONNREFUSED') return 'it refuses connections';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'its name cannot be resolved';
  return code || (/^[A-Z]{3,}/.exec(error.message)?.[0] ?? error.name);
}
