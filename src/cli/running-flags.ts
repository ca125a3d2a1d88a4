import { isRecord } from '../ground/problem.js';
import { readNote, removeNote, writeNote } from './notes.js';
import type { Flags } from './options.js';

/** Flags that decide what a cycle sees; `status` and its like then see the same. */
const TOLD = ['buffer', 'refresh-floor', 'registry-url', 'delivery', 'outputs', 'token-files', 'allow-http'];
const NOTE = 'flags.json';

/** Notes the flags the daemon was started with, for commands that speak of what it does. */
export function rememberFlags(root: string, flags: Flags): void {
  writeNote(
    root,
    NOTE,
    Object.fromEntries(TOLD.flatMap((name) => (flags[name] === undefined ? [] : [[name, flags[name]]]))),
  );
}

export function forgetFlags(root: string): void {
  removeNote(root, NOTE);
}

export function readRunningFlags(root: string): Flags {
  const told = readNote(root, NOTE);
  return isRecord(told) ? told : {};
}
