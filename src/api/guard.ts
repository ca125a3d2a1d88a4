import { isLoopbackName } from '../ground/api-settings.js';

export interface Guard {
  /** Why a request is not heard, by its `Host` and `Origin`; null when it is. */
  stranger(host: string | undefined, origin: string | undefined): string | null;
  /** Whether the `Authorization` header holds the key. */
  knows(authorization: string | undefined): boolean;
}

export interface GuardParts {
  /** Names that count as this machine's. */
  readonly hosts: readonly string[];
  /** Null when no key is asked for. */
  readonly key: string | null;
  /** Whether two texts are the same, in a time that does not tell where they differ. */
  readonly same: (a: string, b: string) => boolean;
  /** A socket in the file system, which no web page can reach. */
  readonly local: boolean;
}

export function createGuard({ hosts, key, same, local }: GuardParts): Guard {
  const known = new Set(hosts.map((host) => nameOf(host) ?? host));
  const isKnown = (host: string): boolean => isLoopbackName(host) || known.has(host);
  return {
    stranger(host, origin) {
      const name = nameOf(host);
      // DNS rebinding: a page whose own name leads here sends that name.
      if (!local && (name === null || !isKnown(name))) return 'this is not the host that was asked for; see --api-host';
      if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
        return 'pages of other origins are not answered';
      }
      return null;
    },
    knows(authorization) {
      if (key === null) return true;
      const given = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
      return given !== undefined && same(given, key);
    },
  };
}

/** The name in a Host header, without its port; null when there is none to speak of. */
function nameOf(host: string | undefined): string | null {
  return /^(\[[\da-f:.]+\]|[^:[\]\s]+)(?::\d+)?$/i.exec(host ?? '')?.[1]?.toLowerCase() ?? null;
}
