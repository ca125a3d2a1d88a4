import { type Access, type Credentials, Refusal } from '../daemon/credentials.js';
import type { Fetch } from '../ports/mcp.js';
import type { KnownSecrets } from './known-secrets.js';

/** How often a request is sent: a token that another process has just put into its file may be an old one again. */
const TRIES = 3;

/** The server's definition names another origin now; nothing was sent to the one before. */
export class Moved extends Refusal {}

export interface AuthorizedFetchParts {
  readonly credentials: Credentials;
  readonly fetch: Fetch;
  readonly secrets: KnownSecrets;
  /** Told when a request was kept from going to where the server no longer is. */
  readonly moved: () => void;
}

/** Every request with the newest credentials; one that is rejected (401) is sent again with newer ones. */
export function authorizedFetch({ credentials, fetch, secrets, moved }: AuthorizedFetchParts): Fetch {
  const send = (url: string | URL, init: RequestInit, { url: home, headers: own, ...access }: Access) => {
    // The definition may have been changed since the session began: its credentials are for its own origin alone.
    if (new URL(url).origin !== home.origin) {
      moved();
      throw new Moved(`the server is at ${home.host} now`, null);
    }
    secrets.add(access.secrets);
    const headers = new Headers(init.headers);
    for (const [name, value] of Object.entries(own)) headers.set(name, value);
    return fetch(url, { ...init, headers });
  };
  return async (url, init = {}) => {
    // For a goodbye nothing is spent: whoever has closed the client kills this process soon.
    if (init.method === 'DELETE') {
      const atHand = credentials.atHand();
      if (!atHand) throw new Refusal('there is nothing at hand to say goodbye with', null);
      return send(url, init, atHand);
    }
    let access = await credentials.current();
    for (let tries = 1; ; tries += 1) {
      const answer = await send(url, init, access);
      if (answer.status !== 401) return answer;
      // Not waited for: it may have no end.
      void answer.text().catch(() => undefined);
      if (tries === TRIES) throw credentials.rejection();
      access = await credentials.afterRejection(access);
    }
  };
}
