import { freshToken } from '../daemon/fresh-token.js';
import { copyReason } from '../work/copies.js';
import type { Context } from './command.js';
import { didYouMean, UsageError } from './options.js';

/** A valid access token on standard output, refreshed first if it is due. */
export async function token({ app, words, terminal }: Context): Promise<number> {
  const [name = ''] = words;
  const found = await freshToken(app, name);
  if (!found) {
    const copy = app.look().world.copies.find((one) => one.token.name === name);
    if (copy) throw new UsageError(copyReason(copy));
    const names = app.look().surveyed.map((one) => one.token.name);
    throw new UsageError(`there is no token "${name}"${didYouMean(name, names)}`);
  }
  if (!found.access) {
    terminal.complain(`${found.surveyed.token.file}: ${name}: ${found.trouble}`);
    return 1;
  }
  terminal.print(found.access.reveal());
  return 0;
}
