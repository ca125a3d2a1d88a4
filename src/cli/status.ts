import type { Context } from './command.js';
import { UsageError } from './options.js';
import { snapshot } from './snapshot.js';
import { statusLines } from './status-text.js';

/** What is known of every token and server. */
export async function status(context: Context): Promise<number> {
  const { app, flags, terminal } = context;
  if (flags.watch === true && flags.json === true) throw new UsageError('--watch and --json do not go together');
  if (flags.watch === true) return (await import('./watch.js')).watch(context);
  const found = snapshot(app, await app.instance.observe());
  if (flags.json === true) terminal.print(JSON.stringify(found, null, 2));
  else for (const line of statusLines(found, app.clock.now(), terminal)) terminal.print(line);
  return 0;
}
