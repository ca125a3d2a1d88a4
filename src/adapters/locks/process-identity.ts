import { hash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** A process told apart from any later one that gets its number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it was started, in whatever form the system tells it. */
  readonly started: string;
  /** A digest of the machine (this boot of it, and the container on it) in which the number means something. */
  readonly host: string;
}

let self: ProcessIdentity | undefined;

export function ownIdentity(): ProcessIdentity {
  self ??= { pid: process.pid, started: startOf(process.pid) ?? '', host: ownHost() };
  return self;
}

/** `elsewhere` when this machine cannot tell. */
export function lifeOf({ pid, started, host }: ProcessIdentity): 'alive' | 'dead' | 'elsewhere' {
  if (host !== ownIdentity().host) return 'elsewhere';
  if (pid === process.pid) return started === ownIdentity().started ? 'alive' : 'dead';
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return 'dead';
  }
  const now = startOf(pid);
  return now === null || now === started ? 'alive' : 'dead';
}

/** Null when the system does not tell. */
function startOf(pid: number): string | null {
  try {
    if (process.platform === 'linux') {
      // proc(5): field 22; the second field is the command in parentheses and may hold anything.
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return fields[0] === 'Z' ? 'zombie' : (fields[19] ?? null);
    }
    if (process.platform === 'win32') return null;
    // Loaded only where there is no /proc: it is slow to load.
    const { execFileSync } = process.getBuiltinModule('node:child_process');
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
  } catch {
    return null;
  }
}

function ownHost(): string {
  const parts = [hostname()];
  try {
    parts.push(readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(), readlinkSync('/proc/self/ns/pid'));
  } catch {
    // Not Linux: the name of the machine has to do.
  }
  return hash('sha256', parts.join(' ')).slice(0, 16);
}
