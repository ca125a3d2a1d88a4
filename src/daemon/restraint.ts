import type { Clock } from '../ports/clock.js';

/** How often a server's rejections are answered with a refresh. */
export interface Restraint {
  /** Whether the next one may be. */
  readonly allows: boolean;
  /** A refresh has brought a new token. */
  renewed(): void;
  /** That one has been rejected, too. */
  inVain(): void;
}

/** Seconds that pauses grow up to. */
const LONGEST_PAUSE = 300;

/**
 * What has just been refreshed and is rejected all the same is not mended by refreshing it again: the pauses between
 * such refreshes grow, from the floor (seconds), until one of them helps.
 */
export function createRestraint(clock: Clock, floor: number): Restraint {
  let renewedAt = Number.NEGATIVE_INFINITY;
  let failures = 0;
  let lastFailed = false;
  return {
    get allows() {
      const grown = failures === 0 ? 0 : Math.min(Math.max(floor, 1) * 2 ** failures, LONGEST_PAUSE);
      return clock.monotonic() - renewedAt >= Math.max(floor, grown);
    },
    renewed() {
      if (!lastFailed) failures = 0;
      lastFailed = false;
      renewedAt = clock.monotonic();
    },
    inVain() {
      // Of many requests with one token, each is rejected.
      if (!lastFailed) failures += 1;
      lastFailed = true;
    },
  };
}
