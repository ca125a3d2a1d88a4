/** Time and chance, so that tests can hold them still. */
export interface Clock {
  /** The wall clock, epoch seconds. Can jump. */
  now(): number;
  /** Seconds since some moment; never jumps, and may stand still while the machine sleeps. */
  monotonic(): number;
  /** Resolves after so many seconds, or as soon as the signal is aborted. Never rejects. */
  sleep(seconds: number, signal?: AbortSignal): Promise<void>;
  /** From 0 up to, not including, 1. */
  random(): number;
  /** Seconds since the machine was started. */
  uptime(): number;
}
