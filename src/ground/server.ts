import type { ServerFile } from './file-types.js';
import { type Misread, readNamedValues } from './named-values.js';
import { fileStem } from './token.js';
import { trimEnd, trimEnds } from './trim.js';

/** An MCP server, as its definition in registry/servers says. */
export interface Server {
  readonly file: string;
  readonly name: string;
  /** With a slash before it and none after, or null. */
  readonly path: string | null;
  /** What it is called in every output; not yet told apart from others of the same key. */
  readonly key: string;
  readonly ownUrl: string | null;
  readonly sse: boolean;
  readonly auth: 'none' | 'oauth' | 'api_key';
  readonly authProvider: string | null;
  readonly token: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly command: {
    readonly command: string;
    readonly args: readonly string[];
    readonly env: Readonly<Record<string, string>>;
  } | null;
  /** Headers and variables that the definition says are secret. */
  readonly secretNames: readonly string[];
  readonly enabled: boolean;
}

/** Clients build tool names from keys and cut or refuse long ones; 64 is the least any of them allows. */
const KEY_LENGTH = 64;

/** Reads a definition that its schema has accepted; null when nothing in it can serve as a key. */
export function readServer(file: string, definition: ServerFile): Server | null {
  const path = trimSlashes(text(definition.path) ?? '');
  const name = text(definition.server_name) ?? path;
  const key = keyOf(path) || keyOf(name) || keyOf(fileStem(file));
  if (key === '') return null;
  const transports = Array.isArray(definition.supported_transports) ? definition.supported_transports : [];
  const command = text(definition.command);
  const headers = readNamedValues('headers', definition.headers);
  const env = readNamedValues('env', definition.env);
  return {
    file,
    name,
    path: path === '' && definition.path === undefined ? null : `/${path}`,
    key,
    ownUrl: text(definition.mcp_endpoint) ?? withTransport(text(definition.proxy_pass_url), isSseOnly(transports)),
    sse: isSseOnly(transports),
    auth: authOf(definition),
    authProvider: text(definition.auth_provider),
    token: text(definition.token),
    headers: headers.values,
    command: command === null ? null : { command, args: texts(definition.args), env: env.values },
    secretNames: [...headers.secret, ...env.secret],
    enabled: definition.is_enabled !== false,
  };
}

/** Both spellings that the registry has had; where they disagree the newer one, `auth_scheme`, counts. */
const AUTH: ReadonlyMap<string, Server['auth']> = new Map([
  ['none', 'none'],
  ['bearer', 'oauth'],
  ['oauth', 'oauth'],
  ['custom', 'oauth'],
  ['api_key', 'api_key'],
  ['api-key', 'api_key'],
]);

function authOf({ auth_scheme: scheme, auth_type: type }: ServerFile): Server['auth'] {
  const said = text(scheme) ?? text(type) ?? 'none';
  return AUTH.get(said.trim().toLowerCase()) ?? 'none';
}

/** What in a definition cannot be understood although its schema has accepted it. */
export function misreadIn({ headers, env }: ServerFile): readonly Misread[] {
  return [...readNamedValues('headers', headers).wrong, ...readNamedValues('env', env).wrong];
}

/** Where clients reach the server: through the registry when there is one, else at its own address. */
export function serverUrl(server: Pick<Server, 'path' | 'ownUrl' | 'sse'>, registryUrl: string | null): string | null {
  if (registryUrl === null || server.path === null) return server.ownUrl;
  return withTransport(trimEnd(registryUrl, '/') + (server.path === '/' ? '' : server.path), server.sse);
}

/** What every client accepts as a name: letters, digits, `_` and `-`. */
export function keyOf(name: string): string {
  return trimEnds(name.replace(/[^A-Za-z0-9_-]+/g, '-'), '-').slice(0, KEY_LENGTH);
}

function withTransport(url: string | null, sse: boolean): string | null {
  if (url === null) return null;
  const end = url.search(/[?#]/);
  const path = end < 0 ? url : url.slice(0, end);
  const query = url.slice(path.length);
  if (/\/(mcp|sse)\/?$/.test(path)) return url;
  return `${trimEnd(path, '/')}/${sse ? 'sse' : 'mcp'}${query}`;
}

function isSseOnly(transports: readonly unknown[]): boolean {
  return transports.length > 0 && transports.every((transport) => transport === 'sse');
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : null;
}

export function trimSlashes(path: string): string {
  return trimEnds(path, '/');
}
