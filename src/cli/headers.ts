import { plain } from '../ground/rendering.js';
import type { Context } from './command.js';
import { didYouMean, UsageError } from './options.js';
import { freshToken } from './token.js';

/** The headers of one server as a JSON object, its token refreshed first if it is due. */
export async function headers(context: Context): Promise<number> {
  const { app, words, terminal } = context;
  const [key = ''] = words;
  const find = () => {
    const { world, surveyed } = app.look();
    return {
      surveyed,
      world,
      listing: app.publisher.join(world).listings.find((one) => one.key === key),
      all: app.publisher.join(world).listings,
    };
  };
  let found = find();
  if (!found.listing) {
    throw new UsageError(
      `there is no server "${key}"${didYouMean(
        key,
        found.all.map((one) => one.key),
      )}`,
    );
  }
  const entry = found.listing.entry;
  const name = entry?.kind === 'remote' ? entry.token : null;
  const token = found.surveyed.find((one) => one.token.name === name);
  if (token) {
    await freshToken(context, token, found.world);
    found = find();
  }
  const now = found.listing?.entry;
  if (now?.kind !== 'remote') {
    terminal.complain(
      `${found.listing?.file}: server ${key} is left out: ${found.listing?.reason ?? 'it is a command, not a URL'}`,
    );
    return 1;
  }
  terminal.print(JSON.stringify(plain(now.headers, (secret) => secret.reveal())));
  return 0;
}
