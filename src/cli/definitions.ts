import { isRecord } from '../ground/problem.js';
import type { Server } from '../ground/server.js';
import type { Memory } from '../work/shelf.js';
import { readNote, writeNote } from './notes.js';

const NOTE = 'definitions.json';

/**
 * Server definitions are large and rarely change: what was read of them is noted, with each file's signature, so
 * that the next start reads only those that have changed. Another build may read them otherwise and starts anew.
 */
export function rememberServers(root: string, build: string, servers: Memory<Server>): void {
  writeNote(root, NOTE, { build, servers });
}

export function recallServers(root: string, build: string): Memory<Server> {
  const note = readNote(root, NOTE);
  return isRecord(note) && note.build === build && isRecord(note.servers) ? (note.servers as Memory<Server>) : {};
}
