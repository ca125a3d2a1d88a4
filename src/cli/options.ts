import { statSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { closest, distance } from 'fastest-levenshtein';
import { split as splitWords } from 'shellwords-ts';
import { type ApiSettings, isLoopbackName, readApiAddress } from '../ground/api-settings.js';
import { type Environment, environmentValue } from '../ground/provider.js';
import { type RedisSettings, readRedisSettings, readSwitch } from '../ground/redis-settings.js';
import { Secret } from '../ground/secret.js';
import type { Delivery, Settings } from '../ground/settings.js';
import type { LogLevel, LogOptions } from '../ports/log.js';

/** A call that cannot be understood; exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';

  constructor(message: string) {
    super(message.length > LONGEST_MESSAGE ? `${message.slice(0, LONGEST_MESSAGE)}...` : message);
  }
}

/** A message repeats what was given, however long that is. */
const LONGEST_MESSAGE = 1000;

/** What is there; null also for a path that no system takes. */
function kindOf(path: string): 'folder' | 'other' | null {
  try {
    return statSync(path).isDirectory() ? 'folder' : 'other';
  } catch {
    return null;
  }
}

/** The value of a flag as yargs gives it: everything is text until it is read here. */
export type Flags = Readonly<Record<string, unknown>>;

const DEFAULT_TOKEN_FILES = ['.kroger_tokens.json', '.mcp_tokens_*.json'] as const;
const DELIVERIES: readonly Delivery[] = ['live', 'http', 'env'];
const LEVELS: readonly LogLevel[] = ['DEBUG', 'INFO', 'WARNING', 'ERROR'];
/** What other programs call them, whose LOG_LEVEL may be in the environment. */
const LEVEL_NAMES: ReadonlyMap<string, LogLevel> = new Map([
  ...LEVELS.map((level): [string, LogLevel] => [level, level]),
  ...['TRACE', 'VERBOSE', 'SILLY', 'ALL'].map((name): [string, LogLevel] => [name, 'DEBUG']),
  ...['NOTICE', 'INFORMATION', 'HTTP'].map((name): [string, LogLevel] => [name, 'INFO']),
  ['WARN', 'WARNING'],
  ...['ERR', 'CRIT', 'CRITICAL', 'FATAL', 'ALERT', 'EMERG', 'PANIC'].map((name): [string, LogLevel] => [name, 'ERROR']),
]);

/** One setting as it is looked for: the flag, then the environment. */
interface Source {
  readonly value: string | null;
  /** `--interval` or `TOKEN_REFRESH_INTERVAL`, for messages. */
  readonly from: string;
}

/** The root folder, which everything else is read from. */
export function rootOf(flags: Flags, environment: Environment): string {
  const { value, from } = sourceOf(flags, environment, 'root', 'TOKEN_REFRESHER_ROOT');
  const root = resolve(value ?? '.');
  if (kindOf(root) !== 'folder') {
    throw new UsageError(value === null ? `${root} is not a folder` : `${from}: ${root} is not a folder`);
  }
  return root;
}

export function settingsOf(root: string, flags: Flags, environment: Environment): Settings {
  const source = (flag: string, name: string): Source => sourceOf(flags, environment, flag, name);
  const registry = source('registry-url', 'REGISTRY_URL');
  const outputs = source('outputs', 'TOKEN_OUTPUTS').value;
  const globs = flags['token-files'];
  const fromEnvironment = environmentValue(environment, 'TOKEN_FILES');
  return {
    root,
    interval: seconds(source('interval', 'TOKEN_REFRESH_INTERVAL'), 300, 1),
    timing: {
      buffer: seconds(source('buffer', 'TOKEN_EXPIRY_BUFFER'), 3600, 0),
      floor: seconds(source('refresh-floor', 'TOKEN_REFRESH_FLOOR'), 30, 0),
    },
    delivery: oneOf(source('delivery', 'TOKEN_DELIVERY'), DELIVERIES, 'live'),
    outputs: outputs === null ? null : list(outputs),
    registryUrl: url(registry),
    registryUrlFromFlag: flags['registry-url'] !== undefined,
    hooks: {
      change: words(source('on-change', 'ON_CHANGE')),
      'login-needed': words(source('on-login-needed', 'ON_LOGIN_NEEDED')),
    },
    clientCommand: words(source('client-command', 'CLIENT_COMMAND')),
    allowHttp: flags['allow-http'] === true,
    api: apiOf(source('api', 'TOKEN_API'), flags),
    redis: redisOf(environment),
    sharedKeys: sharedKeysOf(flags, environment),
    tokenFiles:
      Array.isArray(globs) && globs.length > 0
        ? globs.map(String)
        : fromEnvironment === null
          ? DEFAULT_TOKEN_FILES
          : list(fromEnvironment),
  };
}

/** An API is asked for only by name; what opens it further has to be said as well. */
function apiOf({ value, from }: Source, flags: Flags): ApiSettings | null {
  if (value === null || value === 'false') return null;
  const listen = readApiAddress(value);
  if (!listen) throw new UsageError(`${from}: "${value}" is not HOST:PORT or unix:PATH, as in 127.0.0.1:7071`);
  const open = flags['api-open'] === true;
  const everybody = flags['api-public'] === true;
  if (listen.kind === 'tcp' && !isLoopbackName(listen.host) && !everybody) {
    throw new UsageError(`${from}: ${listen.host} can be reached from other machines; --api-public allows that`);
  }
  if (open && everybody) throw new UsageError('--api-open is for this machine alone, and --api-public for others, too');
  const given = flags['api-host'];
  return { listen, open, hosts: Array.isArray(given) ? given.map(String) : [] };
}

function sharedKeysOf(flags: Flags, environment: Environment): readonly Secret[] | null {
  const asked = environmentValue(environment, 'REDIS_SHARED');
  const read = asked === null ? false : readSwitch(asked);
  if (read === null) throw new UsageError(`REDIS_SHARED: "${asked}" is neither true nor false`);
  const wanted = flags['redis-shared'] ?? read;
  if (wanted !== true) return null;
  if (!redisOf(environment))
    throw new UsageError('--redis-shared: set REDIS_URL or REDIS_HOST to say where the tokens are');
  const keys = list(environmentValue(environment, 'TOKEN_ENCRYPTION_KEY') ?? '');
  if (keys.length === 0) {
    throw new UsageError('--redis-shared: set TOKEN_ENCRYPTION_KEY, as made by: openssl rand -base64 32');
  }
  const bad = keys.findIndex((key) => !/^[A-Za-z0-9+/]{43}=$/.test(key));
  if (bad >= 0) throw new UsageError(`TOKEN_ENCRYPTION_KEY: key ${bad + 1} is not 32 bytes in base64`);
  return keys.map((key) => new Secret(key));
}

function redisOf(environment: Environment): RedisSettings | null {
  const read = readRedisSettings(environment);
  if (read && 'wrong' in read) throw new UsageError(read.wrong);
  return read;
}

/**
 * The log as flags and environment want it. What the environment alone says may be meant for another program, and what
 * cannot be understood there is told in the log, in `warnings`; of a flag it is a usage error.
 */
export function logOptionsOf(
  root: string,
  flags: Flags,
  environment: Environment,
  isDaemon = true,
): LogOptions & { readonly warnings: readonly string[] } {
  const source = (flag: string, name: string): Source => sourceOf(flags, environment, flag, name);
  const warnings: string[] = [];
  const unless = <T>(flag: string, otherwise: T, read: () => T): T => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof UsageError) || flags[flag] !== undefined) throw error;
      warnings.push(`${error.message}; ${otherwise} is used`);
      return otherwise;
    }
  };
  const logFile = source('log-file', 'LOG_FILE');
  const file = logFile.value ?? 'token_refresher.log';
  const path = isAbsolute(file) ? file : join(root, file);
  const unfit = file === '-' ? null : whyNoLogFile(path);
  // The daemon does not do without; who only has something to say now and then does.
  const mayLack = !isDaemon && flags['log-file'] === undefined;
  if (unfit !== null && !mayLack) throw new UsageError(`${logFile.from}: ${unfit}`);
  return {
    level: unless('log-level', 'INFO', () => logLevel(source('log-level', 'LOG_LEVEL'))),
    format: unless('log-format', 'text', () => oneOf(source('log-format', 'LOG_FORMAT'), ['text', 'json'], 'text')),
    file: file === '-' || unfit !== null ? null : path,
    stderr: file === '-',
    maxSize: size(source('log-max-size', '')),
    maxFiles: whole(source('log-max-files', ''), 5),
    warnings,
  };
}

function whyNoLogFile(path: string): string | null {
  if (kindOf(dirname(path)) !== 'folder') return `the folder of ${path} does not exist`;
  return kindOf(path) === 'folder' ? `${path} is a folder` : null;
}

function logLevel({ value, from }: Source): LogLevel {
  const known = value === null ? 'INFO' : LEVEL_NAMES.get(value.toUpperCase());
  return known ?? oneOf({ value: value?.toUpperCase() ?? null, from }, LEVELS, 'INFO');
}

function sourceOf(flags: Flags, environment: Environment, flag: string, name: string): Source {
  const given = flags[flag];
  // A flag given twice is a list: the last one counts, as it does in most programs.
  const last: unknown = Array.isArray(given) ? given.at(-1) : given;
  if (last !== undefined) {
    const value = String(last);
    if (value === '' && flag !== 'api') throw new UsageError(`--${flag} needs a value`);
    return { value, from: `--${flag}` };
  }
  return { value: name === '' ? null : environmentValue(environment, name), from: name };
}

function seconds({ value, from }: Source, otherwise: number, least: number): number {
  if (value === null) return otherwise;
  const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
  if (!(number >= least && Number.isFinite(number))) {
    throw new UsageError(`${from}: "${value}" is not a number of seconds of ${least} or more, as in ${otherwise}`);
  }
  return number;
}

function whole({ value, from }: Source, otherwise: number): number {
  if (value === null) return otherwise;
  if (!/^[1-9]\d{0,5}$/.test(value)) throw new UsageError(`${from}: "${value}" is not a whole number of 1 or more`);
  return Number(value);
}

function size({ value, from }: Source): number {
  if (value === null) return 10 * 1024 * 1024;
  const [, digits = '', unit = ''] = /^([1-9]\d*)([kM]?)$/i.exec(value) ?? [];
  if (digits === '')
    throw new UsageError(`${from}: "${value}" is not a size; give bytes, or a number with k or M, as in 10M`);
  return Number(digits) * ({ '': 1, k: 1024, m: 1024 ** 2 }[unit.toLowerCase()] ?? 1);
}

/** A command line in its words, as a shell splits it; nothing in them is expanded. */
function words({ value, from }: Source): readonly string[] | null {
  if (value === null) return null;
  let split: readonly string[];
  try {
    split = splitWords(value);
  } catch {
    throw new UsageError(`${from}: "${value}" has a quote that is not closed`);
  }
  if (!split[0]) throw new UsageError(`${from}: "${value}" names no command`);
  return split;
}

function oneOf<T extends string>({ value, from }: Source, allowed: readonly T[], otherwise: T): T {
  if (value === null) return otherwise;
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) {
    throw new UsageError(`${from}: "${value}" is not one of ${allowed.join(', ')}${didYouMean(value, allowed)}`);
  }
  return found;
}

function url({ value, from }: Source): string | null {
  if (value === null) return null;
  if (!URL.canParse(value) || !/^https?:$/.test(new URL(value).protocol)) {
    throw new UsageError(`${from}: "${value}" is not an http or https URL, as in https://gateway.example.com`);
  }
  const { username, password, search, hash } = new URL(value);
  if (username || password || search || hash) {
    throw new UsageError(
      `${from}: a user, a password, a query or a fragment would stand in every config; give the address alone`,
    );
  }
  return value;
}

function list(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** `; did you mean "x"?`, when there is something near. */
export function didYouMean(word: string, known: readonly string[]): string {
  if (known.length === 0) return '';
  const nearest = closest(word, [...known]);
  return distance(word, nearest) <= Math.max(2, word.length / 2) ? `; did you mean "${nearest}"?` : '';
}
