import { DEFAULT_NAMESPACE } from './board.js';
import { type Environment, environmentValue } from './provider.js';
import { Secret } from './secret.js';

/** How Redis is reached; times are seconds. */
export interface RedisSettings {
  /** With everything that the single settings say. */
  readonly url: Secret;
  /** Before every key. */
  readonly namespace: string;
  readonly connectTimeout: number;
  /** Null for none. */
  readonly socketTimeout: number | null;
  readonly keepAlive: boolean;
  /** Whether a command that was not answered is sent again, and how often. */
  readonly maxRetries: number;
  readonly retryDelay: number;
  readonly healthCheckInterval: number;
}

/** The settings, null where no Redis is named, or what is wrong with them. */
export function readRedisSettings(environment: Environment): RedisSettings | null | { readonly wrong: string } {
  const value = (name: string): string | null => environmentValue(environment, name);
  const wrong: string[] = [];
  const number = (name: string, otherwise: number): number => {
    const text = value(name);
    if (text === null) return otherwise;
    if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
    wrong.push(`${name}: "${text}" is not a number, as in ${otherwise}`);
    return otherwise;
  };
  const flag = (name: string, otherwise: boolean): boolean => {
    const text = value(name);
    const read = text === null ? otherwise : readSwitch(text);
    if (read === null) wrong.push(`${name}: "${text}" is neither true nor false`);
    return read ?? otherwise;
  };
  const url = urlOf(value, number);
  if (url === null) return null;
  if (!URL.canParse(url) || !/^rediss?:$/.test(new URL(url).protocol)) {
    // It may hold a password: it is not shown.
    return { wrong: 'REDIS_URL: is not a URL of Redis, as in redis://localhost:6379/0' };
  }
  const socketTimeout = number('REDIS_SOCKET_TIMEOUT', 0);
  const retries = flag('REDIS_RETRY_ON_TIMEOUT', true) ? number('REDIS_MAX_RETRIES', 3) : 0;
  const settings: RedisSettings = {
    url: new Secret(url),
    namespace: value('REDIS_NAMESPACE') ?? DEFAULT_NAMESPACE,
    connectTimeout: number('REDIS_CONNECT_TIMEOUT', 5),
    socketTimeout: socketTimeout === 0 ? null : socketTimeout,
    keepAlive: flag('REDIS_SOCKET_KEEPALIVE', true),
    maxRetries: retries,
    retryDelay: number('REDIS_RETRY_DELAY', 1),
    healthCheckInterval: number('REDIS_HEALTH_CHECK_INTERVAL', 30),
  };
  const [first] = wrong;
  return first === undefined ? settings : { wrong: first };
}

/** A switch as people write it; null for anything else. */
export function readSwitch(text: string): boolean | null {
  if (/^(true|1|yes|on)$/i.test(text)) return true;
  return /^(false|0|no|off)$/i.test(text) ? false : null;
}

function urlOf(value: (name: string) => string | null, number: (name: string, otherwise: number) => number) {
  const url = value('REDIS_URL');
  if (url !== null) return url;
  const host = value('REDIS_HOST');
  if (host === null) return null;
  const password = value('REDIS_PASSWORD');
  const user = password === null ? '' : `:${encodeURIComponent(password)}@`;
  const name = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  return `redis://${user}${name}:${number('REDIS_PORT', 6379)}/${number('REDIS_DB', 0)}`;
}
