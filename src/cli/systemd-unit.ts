import { systemdUnit } from '../ground/systemd-unit.js';
import type { Context } from './command.js';

/** Prints a systemd unit for this program as it is installed here, and this root. */
export async function systemdUnitFor({ app, flags, terminal }: Context): Promise<number> {
  const [node = '', script = ''] = app.self;
  terminal.print(systemdUnit({ node, script, root: app.settings.root }, flags.user === true).trimEnd());
  return 0;
}
