import { environmentTokens } from '../ground/environment-tokens.js';
import { problemLine } from '../ground/problem.js';
import { isRecipe } from '../ground/recipe.js';
import { REDACTED } from '../ground/secret.js';
import type { Context } from './command.js';

/** Says what a cycle would do; calls nobody and touches nothing. */
export async function dryRun({ app, flags, terminal }: Context): Promise<number> {
  const { world, surveyed } = app.look();
  const { outputs, problems } = app.publisher.preview(world, () => REDACTED);
  for (const { token, recipe, plan } of surveyed) {
    if (!isRecipe(recipe)) terminal.print(`cannot refresh ${token.name} (${token.file}): ${recipe.reason}`);
    else if (plan.refresh || flags.force === true) {
      terminal.print(`would refresh ${token.name} (${token.file}) at ${recipe.endpoint.host}: ${plan.reason}`);
    } else terminal.print(`would not refresh ${token.name} (${token.file}): ${plan.state}, due ${plan.reason}`);
  }
  for (const { name, file, names } of environmentTokens(world.providers.values(), world.environment)) {
    const there = world.tokens.some((token) => token.name === name);
    if (!there) terminal.print(`would move ${name} to ${file} from the environment (${names.join(', ')})`);
  }
  for (const { path, text, differs, servers } of outputs) {
    terminal.print(`${differs ? 'would write' : 'would leave as it is'} ${path}, ${servers} servers`);
    if (differs) terminal.print(text.trimEnd());
  }
  const wrong = [...world.problems, ...problems];
  for (const one of wrong) terminal.complain(problemLine(one));
  return wrong.some(({ severity }) => severity === 'error') ? 1 : 0;
}
