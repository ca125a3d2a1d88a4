import { randomBytes } from 'node:crypto';
import type { Processes } from '../../ports/processes.js';
import { lifeOf, ownIdentity, type ProcessIdentity } from './process-identity.js';

/** Each copy of this module is somebody else: a worker thread's, or that of a library that is loaded twice. */
const COPY = randomBytes(4).toString('hex');

let self: string | undefined;

export const systemProcesses: Processes = {
  get self() {
    self ??= [...textOf(ownIdentity()), COPY].join(' ');
    return self;
  },
  lifeOf(process) {
    if (process === systemProcesses.self) return 'self';
    const [, pid, started, host] = /^(\d+) (.*) (\w+) \w+$/.exec(process) ?? [];
    if (started === undefined || host === undefined) return 'unknown';
    const life = lifeOf({ ...ownIdentity(), pid: Number(pid), started, host });
    return life === 'elsewhere' ? 'unknown' : life;
  },
};

function textOf({ pid, started, host }: ProcessIdentity): string[] {
  return [String(pid), started, host];
}
