import type { App } from '../daemon/app.js';
import { createCredentials, Refusal } from '../daemon/credentials.js';
import type { Listing } from '../ground/entry.js';
import { type Environment, environmentValue } from '../ground/provider.js';
import type { Context } from './command.js';
import { didYouMean, UsageError } from './options.js';

/** The headers of one server as a JSON object, its token refreshed first if it is due. */
export async function headers({ app, words, terminal }: Context): Promise<number> {
  const [key = ''] = words;
  const { file } = listingOf(app, key);
  try {
    const access = await createCredentials(app, key, 0).fresh();
    const elsewhere = whyElsewhere(app.look().world.environment, access.url);
    if (elsewhere !== null) {
      terminal.complain(`${file}: ${elsewhere}`);
      return 1;
    }
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

/** Claude Code says where it is going to send them, which a definition that was changed since may no longer name. */
function whyElsewhere(environment: Environment, url: URL): string | null {
  const told = environmentValue(environment, 'CLAUDE_CODE_MCP_SERVER_URL');
  if (told === null || !URL.canParse(told) || new URL(told).origin === url.origin) return null;
  return `the server is at ${url.host} now, and its headers are not for ${new URL(told).host}; restart the client`;
}

/** What is known of the server of that key. */
export function listingOf(app: App, key: string): Listing {
  const { listings } = app.publisher.join(app.look().world);
  const found = listings.find((one) => one.key === key);
  if (found) return found;
  const keys = listings.map((one) => one.key);
  throw new UsageError(`there is no server "${key}"${didYouMean(key, keys)}`);
}
