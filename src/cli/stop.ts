import type { Context } from './command.js';

const PATIENCE = 90;

/** Ends the running instance; it finishes and saves what is in flight first. */
export async function stop({ app, terminal }: Context): Promise<number> {
  const stopped = await app.instance.stop(PATIENCE);
  if (stopped.outcome === 'none') terminal.print('no instance is running here');
  else if (stopped.outcome === 'stopped') terminal.print(`stopped (PID ${stopped.pid})`);
  else {
    terminal.complain(stopped.reason);
    return 1;
  }
  return 0;
}
