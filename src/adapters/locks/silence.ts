import { closeSync, fstatSync, openSync, statSync } from 'node:fs';

/**
 * How long others have been silent, who hold a lock and should renew it. Seen by this process, by its own steady
 * clock, and not read off any times: two machines' clocks cannot be compared, and after a sleep of the whole machine
 * every lock looks old.
 */
export interface Silence {
  /** Milliseconds since the last sign of life of a lock file, or since it was first seen. */
  of(path: string): number;
  /** Whether it has been renewed since it was first seen. */
  wasBroken(path: string): boolean;
}

interface Seen {
  readonly sign: string;
  readonly since: number;
  readonly renewed: boolean;
  readonly lookedAt: number;
}

/** What nobody has asked about for so long is forgotten; milliseconds. */
const FORGET_AFTER = 10 * 60_000;

export function createSilence(): Silence {
  const seen = new Map<string, Seen>();
  const look = (path: string): Seen => {
    const now = performance.now();
    const sign = signOf(path);
    const before = seen.get(path);
    const same = before?.sign === sign;
    const next = {
      sign,
      since: same ? before.since : now,
      renewed: before !== undefined && (before.renewed || !same),
      lookedAt: now,
    };
    if (!before) for (const [key, { lookedAt }] of seen) if (now - lookedAt > FORGET_AFTER) seen.delete(key);
    seen.set(path, next);
    return next;
  };
  return {
    of: (path) => performance.now() - look(path).since,
    wasBroken: (path) => look(path).renewed,
  };
}

/** Opened, as that makes a network file system ask its server instead of its memory. */
function signOf(path: string): string {
  try {
    const file = openSync(path, 'r');
    try {
      const { mtimeMs, ctimeMs, size } = fstatSync(file);
      return `${mtimeMs} ${ctimeMs} ${size}`;
    } finally {
      closeSync(file);
    }
  } catch {
    const found = statSync(path, { throwIfNoEntry: false });
    return found ? `${found.mtimeMs} ${found.ctimeMs} ${found.size}` : '';
  }
}
