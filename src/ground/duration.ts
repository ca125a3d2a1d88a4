/** Lengths of time for people. All are seconds. */

const UNITS = [
  { seconds: 86_400, long: 'day', short: 'd' },
  { seconds: 3600, long: 'hour', short: 'h' },
  { seconds: 60, long: 'minute', short: 'min' },
  { seconds: 1, long: 'second', short: 's' },
] as const;

function inUnits(seconds: number): { count: number; unit: (typeof UNITS)[number] } {
  const length = Math.abs(seconds);
  // One and a half of a unit is the least that is told in it: "90 minutes" says more than "1 hour".
  const unit = UNITS.find((candidate) => length >= candidate.seconds * 1.5) ?? UNITS[3];
  return { count: Math.round(length / unit.seconds), unit };
}

/** `45 minutes`, `2 hours`, `1 second`. */
export function duration(seconds: number): string {
  const { count, unit } = inUnits(seconds);
  return `${count} ${unit.long}${count === 1 ? '' : 's'}`;
}

/** `in 45 min`, `3 h ago`. */
export function relative(seconds: number): string {
  const { count, unit } = inUnits(seconds);
  return seconds >= 0 ? `in ${count} ${unit.short}` : `${count} ${unit.short} ago`;
}
