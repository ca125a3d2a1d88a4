/** An hour of the soak takes two minutes. */
const RATE = 30;

/** Seconds of the soak as seconds of the machine. */
export const really = (seconds: number): number => seconds / RATE;

/** Seconds of the machine as seconds of the soak. */
export const apparent = (seconds: number): number => seconds * RATE;

/** The soak's wall clock, epoch seconds: at the machine's time `began` it was right. The same in every process. */
export function wallSince(began: number): number {
  return began + apparent(machineTime() - began);
}

/** Epoch seconds, and finer than `Date.now`, whatever that has been made to say. */
export function machineTime(): number {
  return (performance.timeOrigin + performance.now()) / 1000;
}
