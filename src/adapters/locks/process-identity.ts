import { hash, randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { codeOf } from '../../ports/files.js';

/** A process told apart from any later one that gets its number, as it can be written into a file's name. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it was started, in whatever form the system tells it; `0` where it does not. */
  readonly started: string;
  /** This boot of the machine. */
  readonly boot: string;
  /** The namespaces on it in which the number and the time of the start mean something. */
  readonly space: string;
  /** The machine, whatever boot of it; `0` where that cannot be told for sure. */
  readonly machine: string;
  /** This copy of the module: a worker thread's is another one, and so is that of a library that is loaded twice. */
  readonly copy: string;
}

const COPY = randomBytes(4).toString('hex');
const UNKNOWN = '0';
/** The number of the first PID namespace of every Linux: the machine's own, not a container's. */
const MACHINES_OWN = 'pid:[4026531836]';

let self: ProcessIdentity | undefined;

export function ownIdentity(): ProcessIdentity {
  self ??= {
    pid: process.pid,
    started: startOf(process.pid) ?? UNKNOWN,
    boot: digest(contentOf('/proc/sys/kernel/random/boot_id') || hostname()),
    space: digest(`${linkAt('/proc/self/ns/pid')} ${linkAt('/proc/self/ns/time')}`),
    machine: ownMachine(),
    copy: COPY,
  };
  return self;
}

export function identityText({ pid, started, boot, space, machine, copy }: ProcessIdentity): string {
  return [pid, started, boot, space, machine, copy].join('-');
}

export function identityFrom(text: string): ProcessIdentity | null {
  const [, pid, started, boot, space, machine, copy] = /^(\d+)-(\w+)-(\w+)-(\w+)-(\w+)-(\w+)$/.exec(text) ?? [];
  if (!started || !boot || !space || !machine || !copy) return null;
  return { pid: Number(pid), started, boot, space, machine, copy };
}

/**
 * `elsewhere` when this process cannot tell: the other one is of another machine or another container. The processes
 * of an earlier boot of this machine are dead.
 */
export function lifeOf(other: ProcessIdentity, own = ownIdentity()): 'alive' | 'dead' | 'elsewhere' {
  if (other.boot !== own.boot) {
    return other.machine === own.machine && own.machine !== UNKNOWN ? 'dead' : 'elsewhere';
  }
  if (other.space !== own.space) return 'elsewhere';
  try {
    process.kill(other.pid, 0);
  } catch (error) {
    if (codeOf(error) !== 'EPERM') return 'dead';
  }
  const now = startOf(other.pid);
  return now === null || other.started === UNKNOWN || now === other.started ? 'alive' : 'dead';
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
    return digest(execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim());
  } catch {
    return null;
  }
}

/**
 * The images of containers may all hold the same id, so only what is no container has one; machines that were copied
 * with their id differ in their names.
 */
function ownMachine(): string {
  if (linkAt('/proc/self/ns/pid') !== MACHINES_OWN) return UNKNOWN;
  const id = contentOf('/etc/machine-id');
  return /^[0-9a-f]{32}$/.test(id) ? digest(`${id} ${hostname()}`) : UNKNOWN;
}

function digest(text: string): string {
  return hash('sha256', text).slice(0, 8);
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

function linkAt(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
