import { isRecipe } from '../ground/recipe.js';
import type { World } from '../work/load.js';
import type { Surveyed } from '../work/survey.js';
import type { Context } from './command.js';
import { didYouMean, UsageError } from './options.js';

/** A valid access token on standard output, refreshed first if it is due. */
export async function token(context: Context): Promise<number> {
  const { app, words, terminal } = context;
  const [name = ''] = words;
  const { world, surveyed } = app.look();
  const found = surveyed.find((one) => one.token.name === name);
  if (!found) {
    const names = surveyed.map((one) => one.token.name);
    throw new UsageError(`there is no token "${name}"${didYouMean(name, names)}`);
  }
  const trouble = await freshToken(context, found, world);
  const now = app.look().surveyed.find((one) => one.token.name === name) ?? found;
  const expired = now.expiresAt !== null && now.expiresAt <= app.clock.now();
  if (expired || !now.token.rendered) {
    terminal.complain(`${now.token.file}: ${name}: ${trouble ?? now.token.unrenderable ?? now.plan.reason}`);
    return 1;
  }
  terminal.print(now.token.rendered.reveal());
  return 0;
}

/** Refreshes a token that is due; what went wrong, or null. One that has time left is good enough meanwhile. */
async function freshToken(
  { app }: Context,
  { token: due, recipe, plan }: Surveyed,
  world: World,
): Promise<string | null> {
  if (!isRecipe(recipe)) return recipe.reason;
  if (!plan.refresh) return plan.state === 'valid' ? null : plan.reason;
  const result = await app.refresher.refresh(due, recipe.endpoint.host, world, 'schedule');
  return result.outcome === 'failed' ? result.failure.detail : null;
}
