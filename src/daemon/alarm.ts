import type { Clock } from '../ports/clock.js';

/** Seconds of quiet after a change before it is looked at: a burst of changes is one. */
const QUIET = 0.03;
/** Seconds a burst can go on before it is looked at all the same. */
const BURST = 0.1;

/** What wakes the loop before its time. */
export interface Alarm {
  /** Something may have changed. */
  ring(): void;
  /** Resolves after so many seconds (false), or sooner when rung (true). */
  wait(seconds: number, signal: AbortSignal): Promise<boolean>;
}

export function createAlarm(clock: Clock): Alarm {
  let rung = false;
  let wake: (() => void) | null = null;
  const sleep = async (seconds: number, signal: AbortSignal): Promise<void> => {
    const waking = new AbortController();
    wake = () => waking.abort();
    await clock.sleep(seconds, AbortSignal.any([signal, waking.signal]));
    wake = null;
  };
  return {
    ring() {
      rung = true;
      wake?.();
    },
    async wait(seconds, signal) {
      if (!rung) await sleep(seconds, signal);
      if (!rung) return false;
      const until = clock.monotonic() + BURST;
      do {
        rung = false;
        await sleep(QUIET, signal);
      } while (rung && clock.monotonic() < until && !signal.aborted);
      rung = false;
      return true;
    },
  };
}
