import { type Access, type Credentials, Refusal } from '../daemon/credentials.js';
import type { Fetch } from '../ports/mcp.js';

/** Every request with the newest credentials; one that is rejected (401) is sent once more with newer ones. */
export function authorizedFetch(credentials: Credentials, fetch: Fetch): Fetch {
  const send = (url: string | URL, init: RequestInit, { url: home, headers: own }: Access): Promise<Response> => {
    // The definition may have been changed since the session began: its credentials are for its own host alone.
    if (new URL(url).hostname !== home.hostname) throw new Refusal(`the server is at ${home.host} now`, null);
    const headers = new Headers(init.headers);
    for (const [name, value] of Object.entries(own)) headers.set(name, value);
    return fetch(url, { ...init, headers });
  };
  return async (url, init = {}) => {
    const first = await credentials.current();
    const answer = await send(url, init, first);
    if (answer.status !== 401) return answer;
    await answer.arrayBuffer().catch(() => undefined);
    const second = await credentials.afterRejection(first);
    const again = await send(url, init, second);
    if (again.status === 401) throw credentials.rejection();
    return again;
  };
}
