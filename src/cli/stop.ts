import type { Context } from './command.js';

const PATIENCE = 90;

/** Ends the running instance; it finishes and saves what is in flight first. */
export async function stop({ app, terminal }: Context): Promise<number> {
  const running = app.instance.running();
  if (!running) {
    terminal.print('no instance is running here');
    return 0;
  }
  if (await app.instance.stop(PATIENCE)) {
    terminal.print(`stopped (PID ${running.pid})`);
    return 0;
  }
  terminal.complain(`PID ${running.pid} was told to stop and is still there after ${PATIENCE} s`);
  return 1;
}
