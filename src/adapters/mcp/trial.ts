import type { Trial } from '../../ports/prompt.js';
import { httpFetch } from './http-fetch.js';
import { KNOCK, KNOCK_HEADERS } from './knock.js';

/** Milliseconds. */
const PATIENCE = 15_000;

/** Knocks at an MCP server with the token. */
export const tryToken: Trial = async (url, accessToken) => {
  try {
    const response = await httpFetch()(url.href, {
      method: 'POST',
      headers: { ...KNOCK_HEADERS, authorization: `Bearer ${accessToken}` },
      body: KNOCK,
      signal: AbortSignal.timeout(PATIENCE),
    });
    await response.body?.cancel();
    return response.status;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};
