/** The program as it is, but for its clock, and for a socket on which the soak asks how it is and sets that clock. */
import { readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { setAhead } from './fast-clock.js';
import '../../src/main.js';

export interface Condition {
  readonly pid: number;
  /** Bytes. */
  readonly resident: number;
  /** Bytes, after everything that could be collected was. */
  readonly heap: number;
  /** What keeps the process going, by its kind. */
  readonly resources: Readonly<Record<string, number>>;
  readonly descriptors: number;
}

/** What comes and goes with the work; when there is none of it, the daemon sleeps, and what is left is to be flat. */
const UNDER_WAY = /Req|Connect|TCPSocket/;
const PATIENCE_MS = 10_000;
const LOOK_EVERY_MS = 20;

function resources(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

/** At a moment at which nothing is under way; if there is none, that shows in it. */
async function condition(): Promise<Condition> {
  const until = performance.now() + PATIENCE_MS;
  while (Object.keys(resources()).some((kind) => UNDER_WAY.test(kind)) && performance.now() < until) {
    await sleep(LOOK_EVERY_MS, undefined, { ref: false });
  }
  globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  const descriptors = readdirSync('/proc/self/fd').length;
  return { pid: process.pid, resident: rss, heap: heapUsed, resources: resources(), descriptors };
}

// The first stack of a process makes V8 note where each line of the program ends: once, and no leak.
void new Error().stack;

createServer((socket) => {
  socket.once('data', async (text) => {
    const { ahead } = JSON.parse(String(text)) as { ahead?: number };
    if (ahead !== undefined) setAhead(ahead);
    // As a warning of Node's would, also when nobody reads any more.
    process.stdout.write('asked\n');
    process.stderr.write('asked\n');
    socket.end(JSON.stringify(ahead === undefined ? await condition() : {}));
  });
})
  .listen(process.env.SOAK_SOCKET)
  .unref();
