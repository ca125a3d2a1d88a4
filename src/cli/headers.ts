import type { App } from '../daemon/app.js';
import { createCredentials, Refusal } from '../daemon/credentials.js';
import type { Listing } from '../ground/entry.js';
import type { Context } from './command.js';
import { didYouMean, UsageError } from './options.js';

/** The headers of one server as a JSON object, its token refreshed first if it is due. */
export async function headers({ app, words, terminal }: Context): Promise<number> {
  const [key = ''] = words;
  const { file } = listingOf(app, key);
  try {
    const access = await createCredentials(app, key, 0).fresh();
    terminal.print(JSON.stringify(access.headers));
    const { surveyed } = app.look();
    const { tokens } = listingOf(app, key);
    for (const { token, plan } of surveyed) {
      if (plan.state !== 'expired' || !tokens.includes(token.name)) continue;
      terminal.complain(`${token.file}: ${token.name} has expired: ${plan.reason}`);
    }
    return 0;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    terminal.complain(`${file}: ${error.message}`);
    return 1;
  }
}

/** What is known of the server of that key. */
export function listingOf(app: App, key: string): Listing {
  const { listings } = app.publisher.join(app.look().world);
  const found = listings.find((one) => one.key === key);
  if (found) return found;
  const keys = listings.map((one) => one.key);
  throw new UsageError(`there is no server "${key}"${didYouMean(key, keys)}`);
}
