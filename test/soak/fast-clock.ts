import { systemClock as machine } from '../../src/adapters/clock.js';
import type { Clock } from '../../src/ports/clock.js';
import { apparent, really, wallSince } from './rate.js';

const BEGAN = Number(process.env.SOAK_BEGAN);
let ahead = 0;

/** In the place of the machine's own clock: that one, at the soak's rate. */
export const systemClock: Clock = {
  ...machine,
  now: () => wallSince(BEGAN) + ahead,
  monotonic: () => apparent(machine.monotonic()),
  sleep: (seconds, signal) => machine.sleep(really(seconds), signal),
};

/** Somebody sets the wall clock: so many seconds ahead of the right time. */
export function setAhead(seconds: number): void {
  ahead = seconds;
}
