import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import type { Settings } from '../ground/settings.js';
import type { HookEvent, Hooks } from '../ports/hooks.js';
import type { Log } from '../ports/log.js';

const TIMEOUT_MS = 30_000;
/** Between asking it to end and ending it. */
const GRACE_MS = 2_000;
const MOST_LINES = 100;
/** What a hook is given of the environment: what a program needs to run, and no secret. */
const PASSED_ON = ['PATH', 'HOME', 'LANG'];

/** Runs hooks without a shell, one after the other, with their output in the log. */
export function commandHooks(root: string, commands: Settings['hooks'], log: Log, timeoutMs = TIMEOUT_MS): Hooks {
  let queue: Promise<void> = Promise.resolve();
  let waiting: HookEvent[] = [];
  let running: ChildProcess | null = null;
  let clean = (text: string): string => text;

  const run = (event: HookEvent, [program = '', ...args]: readonly string[]): Promise<void> =>
    new Promise((resolve) => {
      const kind = event.event === 'change' ? 'CONFIG' : 'REFRESH';
      const name = `on-${event.event}`;
      const options = { cwd: root, env: environmentFor(root, event), detached: true } as const;
      let child: ReturnType<typeof startHook>;
      try {
        child = startHook(program, args, options);
      } catch (error) {
        // Some of what the system refuses is thrown, as a list of outputs that is too long for it (E2BIG).
        log.warning(kind, `${name}: ${program} cannot be run: ${whyNot(error)}`);
        resolve();
        return;
      }
      running = child;
      const timer = setTimeout(() => {
        log.warning(kind, `${name}: not done within ${timeoutMs / 1000} s, ended`);
        end(child);
      }, timeoutMs);
      let lines = 0;
      const tell = (text: string): void => {
        for (const line of text.split('\n')) {
          if (line.trim() !== '' && lines < MOST_LINES) log.info(kind, `${name}: ${clean(line)}`);
          lines += 1;
        }
      };
      for (const stream of [child.stdout, child.stderr]) linesOf(stream, tell);
      const done = (trouble: string | null): void => {
        clearTimeout(timer);
        running = null;
        if (trouble !== null) log.warning(kind, `${name}: ${program} ${trouble}`);
        resolve();
      };
      child.once('error', (error) => done(`cannot be run: ${whyNot(error)}`));
      child.once('close', (code, signal) => done(code === 0 ? null : `ended with ${signal ?? `code ${code}`}`));
    });

  const next = async (): Promise<void> => {
    const [event, ...rest] = waiting;
    waiting = rest;
    const command = event && commands[event.event];
    if (event && command) await run(event, command);
  };

  return {
    tell(event) {
      if (!commands[event.event]) return;
      // Changes that come while another hook runs are told of together.
      const last = waiting.find((one) => one.event === 'change');
      if (event.event === 'change' && last?.event === 'change') {
        const outputs = [...new Set([...last.outputs, ...event.outputs])];
        waiting = waiting.map((one) => (one === last ? { ...last, outputs } : one));
        return;
      }
      waiting.push(event);
      queue = queue.then(next);
    },
    conceal(cleaner) {
      clean = cleaner;
    },
    async settled(patience) {
      const timer = setTimeout(() => {
        waiting = [];
        if (running) end(running);
      }, patience * 1000);
      await queue;
      clearTimeout(timer);
    },
  };
}

function environmentFor(root: string, event: HookEvent): Record<string, string> {
  const passed = PASSED_ON.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  const about =
    event.event === 'change'
      ? { TOKEN_REFRESHER_OUTPUTS: event.outputs.join('\n') }
      : {
          TOKEN_REFRESHER_TOKEN: event.token,
          TOKEN_REFRESHER_REASON: event.reason,
          TOKEN_REFRESHER_COMMAND: event.command,
        };
  const all = { TOKEN_REFRESHER_EVENT: event.event, TOKEN_REFRESHER_ROOT: root, ...about };
  // Names may hold anything, and no environment can hold a NUL.
  const safe = Object.entries(all).map(([name, value]) => [name, value.replaceAll('\0', '\uFFFD')] as const);
  return Object.fromEntries([...passed, ...safe]);
}

/** A group of its own, so that what it has started ends with it. */
function startHook(program: string, args: readonly string[], options: SpawnOptions) {
  return spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
}

function whyNot(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error ? String(error.code) : error.message;
}

/** Whole lines as they come, and the last one at the end. */
function linesOf(stream: NodeJS.ReadableStream, tell: (text: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const end = `${rest}${chunk}`.lastIndexOf('\n');
    const text = rest + chunk;
    rest = text.slice(end + 1).slice(-4096);
    if (end >= 0) tell(text.slice(0, end));
  });
  stream.on('end', () => tell(rest));
}

function end(child: ChildProcess): void {
  const kill = (signal: NodeJS.Signals): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, signal);
    } catch {
      // It has ended by itself.
    }
  };
  kill('SIGTERM');
  setTimeout(() => kill('SIGKILL'), GRACE_MS).unref();
}
