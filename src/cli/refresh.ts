import { isRecipe } from '../ground/recipe.js';
import { copyReason } from '../work/copies.js';
import { refreshHost } from '../work/survey.js';
import type { Context } from './command.js';
import { didYouMean, UsageError } from './options.js';

/** Refreshes the tokens named, or every one that can be; without --force only those that are due. */
export async function refresh({ app, flags, words, terminal }: Context): Promise<number> {
  const { world, surveyed } = app.look();
  const names = surveyed.map(({ token }) => token.name);
  for (const word of words) {
    const copy = world.copies.find(({ token }) => token.name === word);
    if (copy) throw new UsageError(copyReason(copy));
    if (!names.includes(word)) throw new UsageError(`there is no token "${word}"${didYouMean(word, names)}`);
  }
  const chosen = words.length === 0 ? surveyed : surveyed.filter(({ token }) => words.includes(token.name));
  const asked = words.length > 0 || flags.force === true;
  const outcomes = await Promise.all(
    chosen.map(async (one) => {
      const { token, recipe, plan } = one;
      const { name, file } = token;
      const host = refreshHost(one);
      if (host === null && !isRecipe(recipe))
        return { name, file, outcome: 'failed', reason: `cannot be refreshed: ${recipe.reason}` };
      if (plan.at === null && plan.state.startsWith('needs') && flags.force !== true) {
        return { name, file, outcome: 'failed', reason: `parked: ${plan.reason}; --force asks all the same` };
      }
      if (!asked && !plan.refresh) return { name, file, outcome: 'not due', reason: plan.reason };
      const result = await app.refresher.refresh(token, host ?? '', world, asked ? 'person' : 'schedule');
      const reason = result.outcome === 'failed' ? result.failure.detail : 'reason' in result ? result.reason : null;
      return { name, file, outcome: result.outcome.replaceAll('_', ' '), reason };
    }),
  );
  const failed = outcomes.filter(
    ({ outcome }) => ['failed', 'busy', 'gone'].includes(outcome) || (asked && outcome === 'not due'),
  );
  if (flags.json === true) terminal.print(JSON.stringify({ tokens: outcomes }, null, 2));
  else {
    for (const one of outcomes) {
      const line = `${one.name}: ${one.outcome}${one.reason === null ? '' : `: ${one.reason}`}`;
      if (failed.includes(one)) terminal.complain(line);
      else terminal.print(line);
    }
    if (outcomes.length === 0) terminal.complain('there are no tokens here');
  }
  return failed.length > 0 ? 1 : 0;
}
