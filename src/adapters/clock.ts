import { uptime } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../ports/clock.js';

/** The machine's own time. */
export const systemClock: Clock = {
  now: () => Date.now() / 1000,
  monotonic: () => performance.now() / 1000,
  // A timer takes at most 2^31 - 1 ms; more would fire at once.
  sleep: (seconds, signal) =>
    sleep(Math.min(Math.max(seconds, 0) * 1000, 2 ** 31 - 1), undefined, signal && { signal }).catch(() => undefined),
  random: Math.random,
  uptime,
};
