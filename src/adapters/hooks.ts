import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import pLimit from 'p-limit';
import type { Settings } from '../ground/settings.js';
import type { HookEvent, Hooks } from '../ports/hooks.js';
import type { Log } from '../ports/log.js';

const TIMEOUT_MS = 30_000;
/** Between asking it to end and ending it. */
const GRACE_MS = 2_000;
const MOST_LINES = 100;
/** Hooks for tokens that run at one moment: a provider that is shut down takes the logins of hundreds with it. */
const AT_ONCE = 8;
/** What a hook is given of the environment: what a program needs to run, and no secret. */
const PASSED_ON = ['PATH', 'HOME', 'LANG'];

/**
 * Runs hooks without a shell, with their output in the log. Those for changes come one after the other, and those for
 * one token; apart from that none waits for another, which may hang.
 */
export function commandHooks(root: string, commands: Settings['hooks'], log: Log, timeoutMs = TIMEOUT_MS): Hooks {
  /** The last one of each kind and token. */
  const lanes = new Map<string, Promise<void>>();
  const ofTokens = pLimit(AT_ONCE);
  const running = new Set<ChildProcess>();
  let ending = false;
  /** Outputs that have changed, and that no hook has been told of yet. */
  let changed: Set<string> | null = null;
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
      running.add(child);
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
        running.delete(child);
        if (trouble !== null) log.warning(kind, `${name}: ${program} ${trouble}`);
        resolve();
      };
      child.once('error', (error) => done(`cannot be run: ${whyNot(error)}`));
      child.once('close', (code, signal) => done(code === 0 ? null : `ended with ${signal ?? `code ${code}`}`));
    });

  const start = async (event: HookEvent): Promise<void> => {
    const command = commands[event.event];
    if (!command || ending) return;
    try {
      await run(event, command);
    } catch (error) {
      log.warning('CONFIG', `on-${event.event}: cannot be run: ${error instanceof Error ? error.message : error}`);
    }
  };
  const after = (lane: string, work: () => Promise<void>): void => {
    const done = (lanes.get(lane) ?? Promise.resolve()).then(work).finally(() => {
      if (lanes.get(lane) === done) lanes.delete(lane);
    });
    lanes.set(lane, done);
  };

  return {
    tell(event) {
      if (!commands[event.event]) return;
      if (event.event === 'login-needed') {
        after(`token ${event.token}`, () => ofTokens(() => start(event)));
        return;
      }
      if (!changed) {
        after('change', async () => {
          const outputs = [...(changed ?? [])];
          changed = null;
          await start({ event: 'change', outputs });
        });
      }
      // Changes that come while another hook runs are told of together.
      changed = new Set([...(changed ?? []), ...event.outputs]);
    },
    conceal(cleaner) {
      clean = cleaner;
    },
    async settled(patience) {
      const timer = setTimeout(() => {
        ending = true;
        for (const child of running) end(child);
      }, patience * 1000);
      while (lanes.size > 0) await Promise.all(lanes.values());
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
  setTimeout(() => {
    kill('SIGKILL');
    // What has left its group may hold these open for ever.
    for (const stream of [child.stdout, child.stderr]) stream?.destroy();
  }, GRACE_MS).unref();
}
