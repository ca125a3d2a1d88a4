import { isRecipe } from '../ground/recipe.js';
import type { Secret } from '../ground/secret.js';
import type { World } from '../work/load.js';
import { refreshHost, type Surveyed } from '../work/survey.js';
import type { App } from './app.js';

/** A token as it is once it has been refreshed, where it was due. */
export interface Freshened {
  readonly surveyed: Surveyed;
  /** Null when it cannot be used: then `trouble` says why. */
  readonly access: Secret | null;
  readonly trouble: string | null;
}

/** The token of this name, refreshed first if it is due; null when there is none. */
export async function freshToken(app: App, name: string): Promise<Freshened | null> {
  const { world, surveyed } = app.look();
  const before = surveyed.find(({ token }) => token.name === name);
  return before ? freshen(app, before, world) : null;
}

/** The same of one that has been looked up; nothing but this one is looked at. */
export async function freshen(app: App, before: Surveyed, world: World): Promise<Freshened> {
  const trouble = await refreshIfDue(app, before, world);
  const now = (await app.lookAt(before.token, world)) ?? before;
  const { token, plan, expiresAt } = now;
  const expired = expiresAt !== null && expiresAt <= app.clock.now();
  if (!expired && token.rendered) return { surveyed: now, access: token.rendered, trouble: null };
  return { surveyed: now, access: null, trouble: trouble ?? token.unrenderable ?? plan.reason };
}

/** What went wrong, or null. A token that has time left is good enough meanwhile. */
async function refreshIfDue(app: App, one: Surveyed, world: World): Promise<string | null> {
  const { token, recipe, plan } = one;
  const host = refreshHost(one);
  if (host === null) return isRecipe(recipe) ? plan.reason : recipe.reason;
  if (!plan.refresh) return plan.state === 'valid' ? null : plan.reason;
  const result = await app.refresher.refresh(token, host, world, 'schedule');
  return result.outcome === 'failed' ? result.failure.detail : null;
}
