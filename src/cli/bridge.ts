import { runBridge } from '../bridge/bridge.js';
import { createCredentials } from '../daemon/credentials.js';
import type { Context } from './command.js';
import { listingOf } from './headers.js';

/** Seconds that a call waits for its token; clients give it a minute or more. */
const PATIENCE = 30;

/** Speaks MCP on standard input and output for a client that cannot keep a token itself, until the client leaves. */
export async function bridge({ app, words, signal }: Context): Promise<number> {
  const [key = ''] = words;
  const { entry } = listingOf(app, key);
  if (entry?.kind === 'command') return app.passThrough(entry, signal);
  const transports = await app.transports();
  await runBridge({ transports, credentials: createCredentials(app, key, PATIENCE), clock: app.clock }, signal);
  app.refresher.stop();
  await app.refresher.settled();
  return 0;
}
