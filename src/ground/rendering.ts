import type { Entry } from './entry.js';
import { Secret, SupposedSecret } from './secret.js';
import type { Delivery } from './settings.js';

/** What templates are given: plain values, every name always there (templates are strict). */
export interface TemplateContext {
  readonly root: string;
  readonly servers: readonly TemplateServer[];
}

export interface TemplateServer {
  readonly key: string;
  /** `bridge`: a command that calls this program, in the place of one that would hold a secret (delivery live). */
  readonly kind: 'remote' | 'command' | 'bridge';
  /** `http` or `sse`; `stdio` for a command. */
  readonly transport: 'http' | 'sse' | 'stdio';
  readonly url: string | null;
  /** Null rather than empty: some clients drop an entry whose headers are empty or null. */
  readonly headers: Readonly<Record<string, string>> | null;
  /** The value of Authorization. */
  readonly authorization: string | null;
  /** A shell command line that prints the headers as JSON; null when none of them is secret. */
  readonly helper: string | null;
  readonly command: string | null;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export type Reveal = (secret: Secret) => string;

/** How this program is called from other programs: the absolute paths of Node and of the script, and the root. */
export type SelfCommand = readonly string[];

export function templateContext(
  root: string,
  entries: readonly Entry[],
  self: SelfCommand,
  delivery: Delivery,
  reveal: Reveal,
): TemplateContext {
  const server = (entry: Entry): TemplateServer => {
    return delivery === 'live' && holdsSecret(entry) ? bridge(entry, self) : templateServer(entry, self, reveal);
  };
  return { root, servers: entries.map(server) };
}

function holdsSecret(entry: Entry): boolean {
  const values = entry.kind === 'remote' ? Object.values(entry.headers) : [...entry.args, ...Object.values(entry.env)];
  return values.some((value) => value instanceof Secret) || hasSecretUrl(entry);
}

function hasSecretUrl(entry: Entry): boolean {
  return entry.kind === 'remote' && entry.openUrl !== entry.url;
}

/** The entry as a client is to be told of it that is told no secret: the bridge adds them. */
function bridge(entry: Entry, self: SelfCommand): TemplateServer {
  const { key } = entry;
  const [command = '', ...script] = self;
  const url = entry.kind === 'remote' ? entry.openUrl : null;
  return {
    key,
    kind: 'bridge',
    transport: 'stdio',
    url: null,
    headers: null,
    authorization: null,
    // A client that is only told headers needs the whole address.
    helper: url === null || hasSecretUrl(entry) ? null : shellLine([...self, 'headers', key]),
    command,
    args: [...script, 'bridge', key],
    env: url === null ? {} : { MCP_SERVER_URL: url },
  };
}

function templateServer(entry: Entry, self: SelfCommand, reveal: Reveal): TemplateServer {
  const { key } = entry;
  if (entry.kind === 'command') {
    const args = entry.args.map((word) => (word instanceof Secret ? reveal(word) : word));
    const none = { url: null, headers: null, authorization: null, helper: null };
    return {
      key,
      kind: 'command',
      transport: 'stdio',
      ...none,
      command: entry.command,
      args,
      env: plain(entry.env, reveal),
    };
  }
  const headers = plain(entry.headers, reveal);
  // What is written out in the definition is the same at every connect.
  const changes = Object.values(entry.headers).some(
    (value) => value instanceof Secret && !(value instanceof SupposedSecret),
  );
  return {
    key,
    kind: 'remote',
    transport: entry.sse ? 'sse' : 'http',
    url: reveal(new Secret(entry.url)) === entry.url ? entry.url : entry.openUrl,
    headers: Object.keys(headers).length === 0 ? null : headers,
    authorization: headers.Authorization ?? null,
    helper: changes ? shellLine([...self, 'headers', key]) : null,
    command: null,
    args: [],
    env: {},
  };
}

/** Values as they are sent, or as they may be shown. */
export function plain(values: Readonly<Record<string, string | Secret>>, reveal: Reveal): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, value instanceof Secret ? reveal(value) : value]),
  );
}

/** Words as a POSIX shell reads them back. */
export function shellLine(words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ');
}
