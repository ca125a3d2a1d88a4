import { spawn } from 'node:child_process';
import type { Supervisor } from '../ports/supervisor.js';

/** systemd-notify waits for an answer, for 5 s by itself. */
const TIMEOUT_MS = 2000;

/**
 * Tells systemd of readiness, status and life: sd_notify(3), by systemd-notify(1), as Node has no datagram sockets of
 * the kind that the protocol is spoken over. Does nothing where nobody asks for it.
 */
export function systemdSupervisor({ NOTIFY_SOCKET, WATCHDOG_USEC, PATH }: NodeJS.ProcessEnv): Supervisor {
  if (!NOTIFY_SOCKET) return { ran: () => undefined, stopping: async () => undefined };
  const say = (...words: string[]): Promise<void> =>
    new Promise((resolve) => {
      const env = { NOTIFY_SOCKET, ...(PATH && { PATH }) };
      const options = { stdio: 'ignore', env, timeout: TIMEOUT_MS } as const;
      // Names of tokens may hold anything; a line break would begin another message.
      const safe = words.map((word) => word.replace(/[\p{Cc}\p{Cs}]/gu, ' '));
      try {
        const child = spawn('systemd-notify', [`--pid=${process.pid}`, ...safe], options);
        // Without systemd-notify the service manager gives up on the daemon, and says so.
        child.once('error', () => resolve()).once('exit', () => resolve());
      } catch {
        resolve();
      }
    });
  let ready = false;
  let told = '';
  return {
    ran(status) {
      if (!ready) {
        ready = true;
        void say('--ready', `--status=${status}`);
        // Twice as often as the watchdog wants it, which is seldom: each time is a process.
        const every = Number(WATCHDOG_USEC ?? 0) / 1000 / 2;
        if (every > 0) setInterval(() => void say('WATCHDOG=1'), every).unref();
      } else if (status !== told) void say(`--status=${status}`);
      told = status;
    },
    stopping: () => say('STOPPING=1'),
  };
}
