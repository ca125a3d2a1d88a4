import { spawn } from 'node:child_process';
import type { Supervisor } from '../ports/supervisor.js';

/**
 * Tells systemd of readiness, status and life: sd_notify(3), by systemd-notify(1), as Node has no datagram sockets of
 * the kind that the protocol is spoken over. Does nothing where nobody asks for it.
 */
export function systemdSupervisor({ NOTIFY_SOCKET, WATCHDOG_USEC, PATH }: NodeJS.ProcessEnv): Supervisor {
  if (!NOTIFY_SOCKET) return { ran: () => undefined, stopping: () => undefined };
  const say = (...words: string[]): void => {
    const env = { NOTIFY_SOCKET, ...(PATH && { PATH }) };
    // Without systemd-notify the service manager gives up on the daemon, and says so.
    spawn('systemd-notify', [`--pid=${process.pid}`, ...words], { stdio: 'ignore', env }).on('error', () => undefined);
  };
  let ready = false;
  let told = '';
  return {
    ran(status) {
      if (!ready) {
        ready = true;
        say('--ready', `--status=${status}`);
        // Twice as often as the watchdog wants it, which is seldom: each time is a process.
        const every = Number(WATCHDOG_USEC ?? 0) / 1000 / 2;
        if (every > 0) setInterval(() => say('WATCHDOG=1'), every).unref();
      } else if (status !== told) say(`--status=${status}`);
      told = status;
    },
    stopping: () => say('STOPPING=1'),
  };
}
