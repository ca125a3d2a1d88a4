import { healthOf } from '../daemon/status.js';
import type { Context } from './command.js';
import { snapshot } from './snapshot.js';

const EXIT_CODES = { OK: 0, WARNING: 1, CRITICAL: 2, UNKNOWN: 3 } as const;

/** One line and an exit code, as the Monitoring Plugins Development Guidelines want them. */
export async function health({ app, flags, terminal }: Context): Promise<number> {
  try {
    const { level, line } = healthOf(snapshot(app, await app.instance.observe()), app.clock.now());
    terminal.print(flags.json === true ? JSON.stringify({ status: level, message: line }) : line);
    return EXIT_CODES[level];
  } catch (error) {
    const message = `UNKNOWN - ${error instanceof Error ? error.message : 'the state cannot be read'}`;
    terminal.print(flags.json === true ? JSON.stringify({ status: 'UNKNOWN', message }) : message);
    return EXIT_CODES.UNKNOWN;
  }
}
