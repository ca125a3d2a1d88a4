/** Where the API listens, and to whom. */
export interface ApiSettings {
  readonly listen: ApiAddress;
  /** Names by which it is reached beside this machine's own. */
  readonly hosts: readonly string[];
  /** No key is asked for. */
  readonly open: boolean;
}

export type ApiAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  /** Relative to the root, or absolute. */
  | { readonly kind: 'unix'; readonly path: string };

const DEFAULT_API = { kind: 'tcp', host: '127.0.0.1', port: 7071 } as const;

/** `HOST:PORT`, `[IPV6]:PORT`, `PORT`, `unix:PATH`, or nothing for the default; null for anything else. */
export function readApiAddress(text: string): ApiAddress | null {
  if (text === '' || text === 'true') return DEFAULT_API;
  const path = /^unix:(.+)$/s.exec(text)?.[1];
  if (path !== undefined) return { kind: 'unix', path };
  const [, host = DEFAULT_API.host, digits = ''] = /^(?:(\[[\da-f:]+\]|[A-Za-z0-9.-]+):)?(\d{1,5})$/i.exec(text) ?? [];
  const port = Number(digits);
  if (digits === '' || port > 65_535) return null;
  return { kind: 'tcp', host: host.replace(/^\[|\]$/g, ''), port };
}

/** RFC 6761 section 6.3, RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3. */
export function isLoopbackName(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
}
