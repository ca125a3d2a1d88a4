import { type Access, type Credentials, Refusal } from '../daemon/credentials.js';
import type { Fetch } from '../ports/mcp.js';

/** How often a request is sent: a token that another process has just put into its file may be an old one again. */
const TRIES = 3;

/** Every request with the newest credentials; one that is rejected (401) is sent again with newer ones. */
export function authorizedFetch(credentials: Credentials, fetch: Fetch): Fetch {
  const send = (url: string | URL, init: RequestInit, { url: home, headers: own }: Access): Promise<Response> => {
    // The definition may have been changed since the session began: its credentials are for its own host alone.
    if (new URL(url).hostname !== home.hostname) throw new Refusal(`the server is at ${home.host} now`, null);
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
