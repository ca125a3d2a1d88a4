import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { onTestFinished } from 'vitest';
import { BARE, SCRIPT, until } from '../fixtures/program.js';
import type { Condition } from './daemon.js';

export interface Daemon {
  readonly pid: number;
  readonly parent: ChildProcess;
  /** All that its log says so far. */
  readonly log: string;
  isAlive(): boolean;
  /** How it is now; null when it does not answer. */
  condition(): Promise<Condition | null>;
  /** Sets its wall clock so many seconds ahead of the right time. */
  setAhead(seconds: number): Promise<void>;
}

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Its log and what else is of the soak alone lie beside the root, which is to disappear. */
export async function startDaemon(root: string, began: number): Promise<Daemon> {
  const folder = mkdtempSync(join(tmpdir(), 'token-refresher-soak-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const script = join(folder, 'daemon.cjs');
  await bundle(script);
  const logFile = join(folder, 'daemon.log');
  const socket = join(folder, 'socket');
  const program = ['--expose-gc', script, '--root', root, 'run', '--log-file', logFile, '--log-level', 'DEBUG'];
  const parent = spawn(process.execPath, [here('./parent.mjs'), ...program], {
    cwd: folder,
    env: { ...BARE, SOAK_BEGAN: String(began), SOAK_SOCKET: socket },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void parent.kill('SIGKILL'));
  let said = '';
  parent.stderr.on('data', (chunk) => {
    said += chunk;
  });
  const [first] = (await Promise.race([once(parent.stdout, 'data'), once(parent, 'exit')])) as unknown[];
  const pid = Number(String(first));
  const isAlive = (): boolean => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(script);
    } catch {
      return false;
    }
  };
  onTestFinished(() => {
    if (isAlive()) process.kill(pid, 'SIGKILL');
  });
  const ask = async (question: object): Promise<unknown> => {
    const asked = connect(socket);
    asked.write(JSON.stringify(question));
    return JSON.parse(await text(asked));
  };
  await until(() => existsSync(socket) || !isAlive(), 'the daemon');
  if (!isAlive()) throw new Error(`the daemon did not start: ${said}`);
  return {
    pid,
    parent,
    get log() {
      return readFileSync(logFile, 'utf8');
    },
    isAlive,
    condition: () => (ask({}) as Promise<Condition>).catch(() => null),
    setAhead: async (ahead) => void (await ask({ ahead })),
  };
}

function bundle(outfile: string) {
  const fastClock: Plugin = {
    name: 'fast-clock',
    setup: ({ onResolve }) => {
      onResolve({ filter: /\/adapters\/clock\.js$/ }, ({ importer }) =>
        importer.endsWith('fast-clock.ts') ? null : { path: here('./fast-clock.ts') },
      );
    },
  };
  return build({
    entryPoints: [here('./daemon.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    mainFields: ['module', 'main'],
    // As if it lay where the program does, so that it finds what belongs to the package.
    define: { 'import.meta.url': JSON.stringify(pathToFileURL(SCRIPT)), SOURCE_ID: '"soak"' },
    plugins: [fastClock],
    logLevel: 'error',
  });
}
