import { systemdUnit, whyNotInUnit } from '../ground/systemd-unit.js';
import type { Context } from './command.js';
import { UsageError } from './options.js';

/** Prints a systemd unit for this program as it is installed here, and this root. */
export async function systemdUnitFor({ app, flags, terminal }: Context): Promise<number> {
  const [node = '', script = ''] = app.self;
  for (const path of [node, script, app.settings.root]) {
    const reason = whyNotInUnit(path);
    if (reason !== null) throw new UsageError(`${JSON.stringify(path)}: ${reason}; use another folder`);
  }
  terminal.print(systemdUnit({ node, script, root: app.settings.root }, flags.user === true).trimEnd());
  return 0;
}
