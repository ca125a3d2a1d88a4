import { readFileSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from './adapters/clock.js';
import { dotenvEnvironment } from './adapters/environment.js';
import { diskFiles } from './adapters/files/disk-files.js';
import { lockedInstance } from './adapters/locks/instance.js';
import { createLog } from './adapters/log.js';
import { keepHeapSmall } from './adapters/small-heap.js';
import type { Terminal } from './cli/command.js';
import { nameOf } from './cli/commands.js';
import { recallServers } from './cli/definitions.js';
import { didYouMean, logOptionsOf, rootOf, settingsOf, UsageError } from './cli/options.js';
import { parseCall } from './cli/parse.js';
import { readRunningFlags } from './cli/running-flags.js';
import { foreignText } from './ground/secret.js';
import type { Log } from './ports/log.js';
import type { Watcher } from './ports/watcher.js';
import { wire } from './wire.js';
import type { InFlight } from './work/in-flight.js';

declare const SOURCE_ID: string;

/** The package: its own providers, templates and schemas lie beside dist/. */
const PACKAGE_ROOT = fileURLToPath(new URL('..', import.meta.url));

const terminal: Terminal = {
  print: (line) => process.stdout.write(`${line}\n`),
  complain: (line) => process.stderr.write(`${line}\n`),
  columns: process.stdout.columns ?? 80,
  color: process.stdout.isTTY === true && !process.env.NO_COLOR,
};

/** The command that was understood. */
let asked: string | null = null;

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

/** What a signal does; until there is something to finish, it ends the process at once. */
let onSignal = (name: keyof typeof SIGNALS): void => process.exit(128 + SIGNALS[name]);
for (const name of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) process.on(name, () => onSignal(name));

/** What has to be finished before the process may end, whatever ends it. */
let inFlight: InFlight | null = null;

async function main(argv: readonly string[]): Promise<number> {
  const parsed = await parseCall(argv, version(), terminal.columns);
  if (parsed.kind === 'help') {
    terminal.print(parsed.text);
    return 0;
  }
  const { command, words } = parsed;
  asked = nameOf(command);
  const root = rootOf(parsed.flags, process.env);
  const environment = dotenvEnvironment(diskFiles(root), process.env);
  const running = command.asRunning && lockedInstance(root, systemClock).running().state === 'running';
  const flags = running ? { ...readRunningFlags(root), ...parsed.flags } : parsed.flags;
  const settings = settingsOf(root, flags, environment.read());
  const isDaemon = nameOf(command) === 'run';
  const options = logOptionsOf(root, flags, environment.read(), isDaemon);
  const quiet = !command.logs || flags['dry-run'] === true;
  const foreground = nameOf(command) === 'run' && process.stderr.isTTY === true;
  const log = createLog(
    quiet ? { ...options, file: null, stderr: false } : { ...options, stderr: options.stderr || foreground },
  );

  if (isDaemon) for (const warning of options.warnings) log.warning('START', warning);

  const stopping = new AbortController();
  // Who has no such flag has nothing to do with tokens.
  const shares = command.flags.some(({ name }) => name === 'redis-shared');
  const app = await wire({
    settings: shares ? settings : { ...settings, sharedKeys: null },
    mayWrite: !quiet,
    packageRoot: PACKAGE_ROOT,
    environment,
    self: selfCommand(root, parsed.flags),
    log,
    ...(options.file !== null && { logFile: { path: options.file, files: options.maxFiles } }),
    servers: recallServers(root, SOURCE_ID),
    ...(nameOf(command) === 'run' && flags.once !== true ? { watch: await watcherOf(root, options.file, log) } : {}),
  });
  const [unknown] = app.publisher.unknownOutputs;
  if (unknown !== undefined) {
    const names = app.publisher.knownOutputs;
    throw new UsageError(`there is no template for the output "${unknown}"${didYouMean(unknown, names)}`);
  }
  inFlight = app.inFlight;
  onSignal = (name) => {
    if (name === 'SIGHUP' && nameOf(command) === 'run') return app.loop.alarm.ring('asked');
    const count = app.inFlight.count;
    log.info('STOP', `${name}: finishing what is in flight (${count})`);
    if (count > 0 && !command.lasts) terminal.complain('token-refresher: ending once the answer under way is saved');
    app.inFlight.stop();
    stopping.abort();
    if (!command.lasts) void leave(128 + SIGNALS[name]);
  };
  if (nameOf(command) === 'run') process.on('SIGUSR1', () => log.reopen());
  if (nameOf(command) === 'bridge') keepHeapSmall();
  const run = await command.load();
  return run({ app, flags, words, terminal, build: SOURCE_ID, version: version(), signal: stopping.signal });
}

/** Watches for everything but temporary files (somebody's write that is not yet one) and what the daemon itself notes. */
async function watcherOf(root: string, logFile: string | null, log: Log): Promise<(changed: () => void) => Watcher> {
  const { pathWatcher } = await import('./adapters/watch/path-watcher.js');
  const home = realpathSync(root);
  const own = ['token_refresher.pid', '.token-refresher', ...(logFile === null ? [] : [basename(logFile)])];
  const ignore = (folder: string, name: string): boolean => {
    return name.endsWith('.tmp') || (folder === home && own.some((mine) => name.startsWith(mine)));
  };
  const trouble = (reason: string | null): void => {
    if (reason === null) log.info('SCAN', 'folders can be watched again');
    else log.warning('SCAN', `folders cannot be watched, and are looked at every 2 seconds: ${reason}`);
  };
  return (changed) => pathWatcher({ ignore, changed, trouble });
}

/** How outputs call this program back: absolute, whatever the folder it is called from. */
function selfCommand(root: string, flags: Readonly<Record<string, unknown>>): string[] {
  const script = join(PACKAGE_ROOT, 'dist', 'main.cjs');
  const registry = flags['registry-url'] === undefined ? [] : ['--registry-url', String(flags['registry-url'])];
  return [process.execPath, script, '--root', root, ...registry];
}

function version(): string {
  return (JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as { version: string }).version;
}

// A reader that has seen enough (`| head`) is no failure.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

/**
 * Single exit point: waits until what is in flight is saved, and stdout and stderr are flushed. Connections that stay
 * open would keep the process.
 */
async function leave(code: number): Promise<void> {
  inFlight?.stop();
  await inFlight?.settled();
  for (const stream of [process.stdout, process.stderr]) {
    if (stream.writableLength > 0) await new Promise<void>((resolve) => stream.write('', () => resolve()));
  }
  process.exit(code);
}

function messageOf(error: unknown): string {
  return foreignText(error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error), [], 1000);
}

const fail = (error: unknown): Promise<void> => {
  // A SyntaxError quotes what was read, whatever that was.
  const message = error instanceof SyntaxError ? 'something cannot be parsed' : messageOf(error);
  // Of settings that cannot be read a monitoring plugin says UNKNOWN; 2 would be CRITICAL.
  if (error instanceof UsageError && asked === 'health') {
    terminal.print(`UNKNOWN - ${message}`);
    return leave(3);
  }
  terminal.complain(`token-refresher: ${error instanceof UsageError ? error.message : message}`);
  return leave(error instanceof UsageError ? 2 : 1);
};
// A mistake in one place must not take with it what is in flight in another.
for (const event of ['uncaughtException', 'unhandledRejection'] as const)
  process.on(event, (error) => void fail(error));
main(process.argv.slice(2)).then(leave, fail);
