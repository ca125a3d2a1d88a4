import type { Pending } from '../ground/history.js';
import type { Clock } from '../ports/clock.js';
import type { Processes } from '../ports/processes.js';

/** Seconds; the longest request is given up after 60. */
const LONGEST_REQUEST = 65;
const LOOK_AGAIN = 1;

/** Tells when a request whose answer nobody has may be sent once more. */
export interface RequestWatch {
  /** False while its owner may still be waiting for the answer. */
  mayRepeat(request: Pending, stopped: () => boolean): Promise<boolean>;
}

/**
 * The retry of a lost answer is its owner's. Another process may make it when that one is provably dead, or when the
 * longest request has passed: by the clock where both are of one machine, else by watching, as two machines' clocks
 * cannot be compared.
 */
export function createRequestWatch(processes: Processes, clock: Clock): RequestWatch {
  const seen = new Map<string, number>();
  const watched = ({ spent, at, owner }: Pending): number => {
    const key = `${spent} ${at} ${owner}`;
    const since = seen.get(key) ?? clock.monotonic();
    seen.set(key, since);
    return clock.monotonic() - since;
  };
  return {
    async mayRepeat(request, stopped) {
      if (request.owner === undefined) return true;
      const life = processes.lifeOf(request.owner);
      if (life === 'self' || life === 'dead') return true;
      const since = clock.now() - request.at;
      if (life === 'alive' && since >= 0) return since >= LONGEST_REQUEST;
      while (watched(request) < LONGEST_REQUEST) {
        if (stopped()) return false;
        await clock.sleep(LOOK_AGAIN);
      }
      return true;
    },
  };
}
