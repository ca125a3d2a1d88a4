import type { Context } from './command.js';

/** Moves the tokens that the environment has into their provider's store: each once, never over something newer. */
export async function importEnv({ app, flags, terminal }: Context): Promise<number> {
  const results = await app.imports(app.look().world);
  if (flags.json === true) terminal.print(JSON.stringify({ imports: results }, null, 2));
  else {
    for (const { name, file, from, outcome, reason } of results) {
      const line = `${name} (${file}): ${outcome}${reason === null ? '' : `: ${reason}`}; from ${from.join(', ')}`;
      if (outcome === 'failed') terminal.complain(line);
      else terminal.print(line);
    }
    if (results.length === 0) terminal.complain('no provider definition names a token that the environment has');
  }
  return results.some(({ outcome }) => outcome === 'failed') ? 1 : 0;
}
