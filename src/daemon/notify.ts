import { redactorOfNamed, secretsOf } from '../ground/leaks.js';
import type { Redactor } from '../ground/redaction.js';
import { foreignText } from '../ground/secret.js';
import type { Hooks } from '../ports/hooks.js';
import type { Cycle } from './loop.js';
import { loginFor, serversByToken } from './status.js';

/** Of a line that a hook prints. */
const LONGEST = 2000;

/** Tells hooks what a cycle has brought: outputs that were written, and tokens that have come to need a login. */
export function createNotifier(hooks: Hooks, root: string): (cycle: Cycle) => void {
  let known = new Set<string>();
  return ({ world, surveyed, published: { outputs, joined } }) => {
    const entries = joined.listings.flatMap(({ entry }) => (entry ? [entry] : []));
    let redactor: Redactor | null = null;
    hooks.conceal((text) => {
      redactor ??= redactorOfNamed(secretsOf(world.tokens, entries));
      return foreignText(text, redactor, LONGEST);
    });
    const written = outputs.filter(({ status }) => status === 'written').map(({ path }) => `${root}/${path}`);
    if (written.length > 0) hooks.tell({ event: 'change', outputs: written });

    const { listings } = joined;
    const serverOf = serversByToken(listings);
    const dead = surveyed.flatMap((one) => {
      const { name } = one.token;
      const command = loginFor(one, serverOf.get(name));
      return command === null ? [] : [{ token: name, reason: one.plan.reason, command }];
    });
    const missing = listings.flatMap(({ key, reason, missing: token }) => {
      return token === null || reason === null ? [] : [{ token, reason, command: `token-refresher login ${key}` }];
    });
    const needed = [...dead, ...missing];
    for (const one of needed) if (!known.has(one.token)) hooks.tell({ event: 'login-needed', ...one });
    known = new Set(needed.map(({ token }) => token));
  };
}
