import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cycle } from '../daemon/loop.js';

/** Notes what the last cycle found, for whoever waits for the first one: the start script, a supervisor. */
export function noteCycle(root: string, { world, surveyed, published, took }: Cycle): void {
  const { listings } = published.joined;
  const note = {
    pid: process.pid,
    at: Date.now() / 1000,
    took,
    tokens: surveyed.length,
    servers: listings.filter(({ entry }) => entry !== null).map(({ key }) => key),
    left_out: listings.flatMap(({ key, reason, wanted }) => (reason !== null && wanted ? [{ key, reason }] : [])),
    outputs: published.outputs.map(({ path, status }) => ({ path, status })),
    problems: world.problems.length + published.problems.length,
  };
  try {
    mkdirSync(join(root, '.token-refresher'), { recursive: true, mode: 0o700 });
    writeFileSync(join(root, '.token-refresher', 'last-cycle.json'), `${JSON.stringify(note)}\n`, { mode: 0o600 });
  } catch {
    // Whoever waits for it gives up in time; the log has said what is wrong with the disk.
  }
}
