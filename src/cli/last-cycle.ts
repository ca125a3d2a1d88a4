import type { Cycle } from '../daemon/loop.js';
import { writeNote } from './notes.js';

/** Notes what the last cycle found, for whoever waits for the first one: the start script, a supervisor. */
export function noteCycle(root: string, { world, surveyed, published, took }: Cycle): void {
  const { listings } = published.joined;
  writeNote(root, 'last-cycle.json', {
    pid: process.pid,
    at: Date.now() / 1000,
    took,
    tokens: surveyed.length,
    servers: listings.filter(({ entry }) => entry !== null).map(({ key }) => key),
    left_out: listings.flatMap(({ key, reason, wanted }) => (reason !== null && wanted ? [{ key, reason }] : [])),
    outputs: published.outputs.map(({ path, status }) => ({ path, status })),
    problems: world.problems.length + published.problems.length,
  });
}
