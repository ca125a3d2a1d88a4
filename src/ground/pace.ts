/** How often something is done that others set off: attempts that soon fail again come at growing distances. */
export interface Pace {
  /** Seconds until the next attempt; at least so many as are asked for. */
  next(asked?: number): number;
}

export interface PaceLimits {
  /** Seconds before the first attempt, and between two that soon fail, at the most. */
  readonly first: number;
  readonly most: number;
  /** What has lasted for so many seconds was no failure. */
  readonly healthy: number;
}

export interface PaceClock {
  monotonic(): number;
  random(): number;
}

export function createPace({ first, most, healthy }: PaceLimits, clock: PaceClock): Pace {
  let pause = 0;
  let begins = Number.NEGATIVE_INFINITY;
  return {
    next(asked = 0) {
      const now = clock.monotonic();
      pause = now - begins >= healthy ? first : Math.min(pause * 2, most);
      // Many clients of one server do not come back at one moment.
      const wait = Math.max(pause, Math.min(asked, most)) * (0.8 + 0.4 * clock.random());
      begins = now + wait;
      return wait;
    },
  };
}
