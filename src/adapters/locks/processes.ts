import type { Processes } from '../../ports/processes.js';
import { identityFrom, identityText, lifeOf, ownIdentity } from './process-identity.js';

export const systemProcesses: Processes = {
  get self() {
    return identityText(ownIdentity());
  },
  lifeOf(process) {
    if (process === systemProcesses.self) return 'self';
    const other = identityFrom(process);
    const life = other === null ? 'elsewhere' : lifeOf(other);
    return life === 'elsewhere' ? 'unknown' : life;
  },
};
