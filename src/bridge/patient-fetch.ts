import type { Clock } from '../ports/clock.js';
import { type Fetch, Unreachable } from '../ports/mcp.js';

/** Seconds for which a request waits for a network that is away. */
const PATIENCE = 30;
/** Seconds between the first two attempts and, as they grow apart, between any two. */
const FIRST_PAUSE = 0.1;
const LONGEST_PAUSE = 2;

/**
 * A `fetch` that waits for a network that is away. Only what has not been sent is tried again, and from the
 * beginning: the credentials of before may have been replaced meanwhile.
 */
export function patientFetch(fetch: Fetch, clock: Clock): Fetch {
  return async (url, init = {}) => {
    const until = clock.monotonic() + PATIENCE;
    for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 1.5, LONGEST_PAUSE)) {
      try {
        return await fetch(url, init);
      } catch (error) {
        const passes = error instanceof Unreachable && error.passes;
        if (!passes || clock.monotonic() + pause > until) throw error;
        await clock.sleep(pause, init.signal ?? undefined);
      }
    }
  };
}
