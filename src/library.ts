import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type DotenvEnvironment, dotenvEnvironment } from './adapters/environment.js';
import { diskFiles } from './adapters/files/disk-files.js';
import { createLog } from './adapters/log.js';
import { settingsOf, UsageError } from './cli/options.js';
import type { App } from './daemon/app.js';
import { freshToken } from './daemon/fresh-token.js';
import { actionFor, serversByToken, statusOf } from './daemon/status.js';
import type { StatusReport } from './ground/file-types.js';
import { formatOf } from './ground/formats/index.js';
import { isRecord } from './ground/problem.js';
import type { Settings } from './ground/settings.js';
import type { Token } from './ground/token.js';
import { wire } from './wire.js';
import { bring, bringTarget } from './work/bring.js';

/** Tokens as they are: whoever asks for them is trusted with them. */
export interface Tokens {
  readonly accessToken: string | null;
  readonly refreshToken: string | null;
  /** Epoch seconds; null when nothing tells. */
  readonly expiresAt: number | null;
}

/** Tokens that somebody has been given, as RFC 6749 section 5.1 names them. */
export interface NewTokens {
  readonly accessToken: string;
  /** The one that is there stays when this is left out. */
  readonly refreshToken?: string;
  /** Seconds from now; a JWT's own `exp` counts more. */
  readonly expiresIn?: number;
}

/** As one of `tokens` in `token-refresher status --json`; times are epoch seconds, and nothing in it is secret. */
export type TokenStatus = StatusReport['tokens'][number];

/** One token of a project root, shared with the daemon, the bridges and every other process that uses it. */
export interface TokenManager {
  /** What the token is called: as in `token-refresher status`. */
  readonly name: string;
  /**
   * A valid access token, refreshed first if it is due. Calls at the same time wait for one refresh, and so do other
   * processes. Rejects with a TokenError when there is none to be had.
   */
  getAccessToken(): Promise<string>;
  /** The last known tokens; null when there are none yet. */
  readonly tokens: Tokens | null;
  /**
   * Keeps tokens that came from elsewhere, durably when it resolves: in the file that the name has already, else in
   * `.oauth-tokens/<provider>-<key>-egress.json` for a server's key, else in `.mcp_tokens_<name>.json`. Rejects with a
   * TokenError when it cannot.
   */
  updateTokens(tokens: NewTokens): Promise<void>;
  /** How the token is, when it is refreshed next, and what to do about it. Rejects with a TokenError without a token. */
  status(): Promise<TokenStatus>;
}

export interface TokenManagerOptions {
  /** The project root. Without it TOKEN_REFRESHER_ROOT, else the working directory. */
  readonly root?: string;
}

/** Why there is no token to be had; its message says what to do, and nothing secret. */
export class TokenError extends Error {
  override readonly name: string = 'TokenError';
  /** `not_found`, `not_kept`, or the token's state: `needs_login`, `needs_configuration`, `failing`, `expired`, ... */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Whoever uses a library has a log of their own. */
const log = createLog({ level: 'ERROR', format: 'text', file: null, stderr: false, maxSize: 0, maxFiles: 1 });
const PACKAGE_ROOT = fileURLToPath(new URL('..', import.meta.url));
/** One program for each root, however many tokens of it are asked for. */
const apps = new Map<string, Promise<App>>();

/** The token of this name. Returns at once; files are read when it is first asked for something. */
export function getTokenManager(name: string, options: TokenManagerOptions = {}): TokenManager {
  const root = resolve(options.root ?? (process.env.TOKEN_REFRESHER_ROOT || '.'));
  let known: Tokens | null = null;
  let running: Promise<string> | null = null;

  const find = async (): Promise<App> => {
    const app = await appOf(root, 'not_found');
    const token = app.look().surveyed.find((one) => one.token.name === name)?.token;
    known = token ? tokensOf(token) : known;
    return app;
  };

  const fetchToken = async (): Promise<string> => {
    const app = await find();
    const found = await freshToken(app, name);
    if (!found) throw notFound(name, root);
    const { surveyed, access, trouble } = found;
    known = tokensOf(surveyed.token);
    if (access) return access.reveal();
    const action = actionFor(surveyed, serverOf(app, name));
    const remedy = action === null ? '' : `; ${action.startsWith('token-refresher ') ? 'run: ' : ''}${action}`;
    throw new TokenError(surveyed.plan.state, `token ${name} cannot be used: ${trouble}${remedy}`);
  };

  return {
    name,
    getAccessToken() {
      running ??= fetchToken().finally(() => {
        running = null;
      });
      return running;
    },
    get tokens() {
      known ??= onDisk(root, name);
      return known;
    },
    async updateTokens({ accessToken, refreshToken, expiresIn }) {
      const app = await appOf(root, 'not_kept');
      const { world } = app.look();
      const target = bringTarget(name, world, app.publisher.join(world).listings);
      if (!target) throw new TokenError('not_kept', `"${name}" cannot be a file's name`);
      const pasted = {
        access_token: accessToken,
        ...(refreshToken !== undefined && { refresh_token: refreshToken }),
        ...(expiresIn !== undefined && { expires_in: expiresIn }),
      };
      const result = await bring(app, target, pasted);
      if (typeof result === 'string') throw new TokenError('not_kept', `token ${name} is not kept: ${result}`);
      await find();
    },
    async status() {
      const app = await find();
      const { world, surveyed } = app.look();
      const { listings } = app.publisher.join(world);
      const found = statusOf({ state: 'none' }, world, surveyed, listings, []).tokens.find((one) => one.name === name);
      if (!found) throw notFound(name, root);
      return found;
    },
  };
}

async function appOf(root: string, otherwise: string): Promise<App> {
  // Also where it was there before: what is written would make it anew, under a mount that has gone away.
  if (!isFolder(root)) throw new TokenError(otherwise, `${root} is not a folder`);
  const before = apps.get(root);
  if (before) return before;
  const environment = dotenvEnvironment(diskFiles(root), process.env);
  const app = wire({ settings: settingsFor(root, environment), packageRoot: PACKAGE_ROOT, environment, self: [], log });
  apps.set(root, app);
  app.catch(() => apps.delete(root));
  return app;
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function settingsFor(root: string, environment: DotenvEnvironment): Settings {
  try {
    return settingsOf(root, {}, environment.read());
  } catch (error) {
    throw error instanceof UsageError ? new TokenError('needs_configuration', error.message) : error;
  }
}

/** The token as its file has it, for who asks before anything has been awaited. */
function onDisk(root: string, name: string): Tokens | null {
  const files = diskFiles(root);
  for (const { path } of files.list(['.oauth-tokens/*.json', ...tokenFilesOf(root)])) {
    try {
      const document: unknown = JSON.parse(files.read(path));
      const tokens = isRecord(document) ? formatOf(path, document).read(path, document) : [];
      const found = tokens.find((token) => token.name === name);
      if (found) return tokensOf(found);
    } catch {
      // What is wrong with it is said by whoever is asked for a token.
    }
  }
  return null;
}

/** None while the settings cannot be understood, which is said by whoever is asked for a token. */
function tokenFilesOf(root: string): readonly string[] {
  try {
    return settingsFor(root, dotenvEnvironment(diskFiles(root), process.env)).tokenFiles;
  } catch (error) {
    if (error instanceof TokenError) return [];
    throw error;
  }
}

function tokensOf({ access, refresh, expiry }: Token): Tokens {
  return {
    accessToken: access?.reveal() ?? null,
    refreshToken: refresh?.reveal() ?? null,
    expiresAt: expiry.at,
  };
}

function serverOf(app: App, name: string): string | undefined {
  return serversByToken(app.publisher.join(app.look().world).listings).get(name);
}

function notFound(name: string, root: string): TokenError {
  return new TokenError(
    'not_found',
    `there is no token "${name}" in ${root}; see: token-refresher status --root ${root}`,
  );
}
