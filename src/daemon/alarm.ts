import type { Clock } from '../ports/clock.js';

/** Seconds of quiet after a change before it is looked at: a burst of changes is one. */
const QUIET = 0.03;
/** Seconds a burst can go on before it is looked at all the same. */
const BURST = 0.1;

/** What wakes the loop before its time. */
export interface Alarm {
  /** Something may have changed, or somebody asks. */
  ring(why: Ring): void;
  /** Resolves after so many seconds (null), or sooner when rung. */
  wait(seconds: number, signal: AbortSignal): Promise<Ring | null>;
}

export type Ring = 'change' | 'asked';

export function createAlarm(clock: Clock): Alarm {
  let rung: Ring | null = null;
  let wake: (() => void) | null = null;
  const sleep = async (seconds: number, signal: AbortSignal): Promise<void> => {
    const waking = new AbortController();
    const end = (): void => waking.abort();
    wake = end;
    // Not AbortSignal.any: each call of it leaves something behind with a signal that outlives it.
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
    await clock.sleep(seconds, waking.signal);
    signal.removeEventListener('abort', end);
    wake = null;
  };
  return {
    ring(why) {
      rung = rung === 'asked' ? rung : why;
      wake?.();
    },
    async wait(seconds, signal) {
      if (!rung) await sleep(seconds, signal);
      let why = rung;
      if (!why) return null;
      const until = clock.monotonic() + BURST;
      do {
        rung = null;
        await sleep(QUIET, signal);
        if (rung === 'asked') why = rung;
      } while (rung && clock.monotonic() < until && !signal.aborted);
      rung = null;
      return why;
    },
  };
}
