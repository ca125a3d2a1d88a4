import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isRecord } from '../ground/problem.js';
import type { Flags } from './options.js';

/** Flags that decide what a cycle sees; `status` and its like then see the same. */
const TOLD = ['buffer', 'refresh-floor', 'registry-url', 'delivery', 'outputs', 'token-files', 'allow-http'];

/** Notes the flags the daemon was started with, for commands that speak of what it does. */
export function rememberFlags(root: string, flags: Flags): void {
  const told = Object.fromEntries(TOLD.filter((name) => flags[name] !== undefined).map((name) => [name, flags[name]]));
  try {
    mkdirSync(join(root, '.token-refresher'), { recursive: true, mode: 0o700 });
    writeFileSync(pathIn(root), `${JSON.stringify(told)}\n`, { mode: 0o600 });
  } catch {
    // Then those commands go by their own flags.
  }
}

export function forgetFlags(root: string): void {
  rmSync(pathIn(root), { force: true });
}

export function readRunningFlags(root: string): Flags {
  try {
    const told: unknown = JSON.parse(readFileSync(pathIn(root), 'utf8'));
    return isRecord(told) ? told : {};
  } catch {
    return {};
  }
}

function pathIn(root: string): string {
  return join(root, '.token-refresher', 'flags.json');
}
