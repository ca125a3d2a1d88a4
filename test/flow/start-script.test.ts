import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdirSync, rmSync, statSync, symlinkSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SCRIPT as PROGRAM, run, until } from '../fixtures/program.js';
import { define, open } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';
import { CTRL_C, hasTerminals, Terminal } from '../fixtures/terminal.js';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const SCRIPT = join(REPOSITORY, 'start_token_refresher.sh');

/** The script on a terminal, as somebody calls it from another folder; what it started is ended with the test. */
function startScript(root: Root): Terminal {
  onTestFinished(() => void spawnSync(process.execPath, [PROGRAM, 'stop', '--root', root.path]));
  return new Terminal(new Root(), [SCRIPT], { TOKEN_REFRESHER_ROOT: root.path, PATH: process.env.PATH ?? '' });
}

const pidOf = (screen: string): string | undefined => /started, PID (\d+)/.exec(screen)?.[1];

describe.skipIf(!hasTerminals)('the start script on a terminal, through its link', () => {
  test('starts, says what was found, and asks before it replaces what runs', async () => {
    const root = new Root();
    define(root, 'thing.json', open('thing'));
    const first = startScript(root);
    await first.sees(`for ${root.path}`);
    await first.sees(`log:      ${root.path}/token_refresher.log`);
    await first.sees('found:    0 tokens, 1 servers (thing)');
    await first.sees('stop:');
    expect(await first.ended).toMatchObject({ code: 0 });
    const pid = pidOf(first.screen);

    for (const answer of ['n\r', '\r', CTRL_C]) {
      const refused = startScript(root);
      await refused.sees(`is running for ${root.path} already, PID ${pid}.`);
      await refused.sees('Replace it? [y/N] ');
      refused.type(answer);
      expect((await refused.ended).code).toBe(answer === CTRL_C ? 130 : 3);
    }
    const replaced = startScript(root);
    await replaced.answers('Replace it? [y/N] ', 'y');
    await replaced.sees('token-refresher started, PID');
    expect(await replaced.ended).toMatchObject({ code: 0 });
    expect(pidOf(replaced.screen)).not.toBe(pid);
    const { stdout } = await run(root.path, ['status', '--json']);
    expect(String(JSON.parse(stdout).instance.pid)).toBe(pidOf(replaced.screen));
  });
});

interface Called {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The script without a terminal, as another script calls it; what it started is ended with the test. */
function callScript(
  root: Root,
  args: readonly string[],
  environment: Record<string, string> = {},
  at = SCRIPT,
): Called {
  const path = environment.TOKEN_REFRESHER_ROOT ?? root.path;
  onTestFinished(() => {
    for (const one of new Set([root.path, path, root.full('in side')]))
      spawnSync(process.execPath, [PROGRAM, 'stop', '--root', one]);
  });
  const env = { PATH: process.env.PATH ?? '', HOME: '/nonexistent', ...environment };
  // Pipes: what goes on in the background must not hold them open.
  return spawnSync(at, [...args], { cwd: root.path, env, encoding: 'utf8', timeout: 170_000 });
}

describe('the start script', () => {
  test.each([
    ['--root', (path: string) => ['--root', path]],
    ['--root=', (path: string) => [`--root=${path}`]],
  ])('takes the root as an argument, relative to the folder it is called in, before the environment: %s', (_, args) => {
    const root = new Root();
    mkdirSync(root.full('in side'), { recursive: true });
    const other = new Root();
    const started = callScript(root, args('in side'), { TOKEN_REFRESHER_ROOT: other.path });
    expect(started).toMatchObject({ status: 0, stderr: '' });
    expect(started.stdout).toContain(`for ${root.path}/in side\n`);
    expect(started.stdout).toContain(`log:      ${root.path}/in side/token_refresher.log\n`);
    expect(root.has('in side/.token-refresher/last-cycle.json')).toBe(true);
    expect(other.has('.token-refresher')).toBe(false);
    expect(callScript(root, args('in side')).status).toBe(3);
  });

  test.each([
    ['--root', 'needs a value'],
    ['--root=nowhere', 'nowhere is not a folder'],
    ['--once=perhaps', '--once'],
  ])('says why it does not start: %s', (argument, reason) => {
    const root = new Root();
    const refused = callScript(root, [argument], { TOKEN_REFRESHER_ROOT: root.path });
    expect(refused).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining(reason) });
  });

  test('is not led astray by CDPATH, and leaves nothing in the folder that it is called in', () => {
    const elsewhere = new Root();
    mkdirSync(elsewhere.full('scripts'));
    mkdirSync(elsewhere.full('in side'));
    const root = new Root();
    mkdirSync(root.full('in side'));
    const started = callScript(root, ['--root', 'in side'], { CDPATH: elsewhere.path });
    expect(started).toMatchObject({ status: 0, stderr: '' });
    expect(started.stdout).toContain(`for ${root.path}/in side\n`);
    expect(root.has('token_refresher.log')).toBe(false);
    expect(elsewhere.has('in side/.token-refresher')).toBe(false);
  });

  test.each([
    ['the environment', { LOG_FILE: '-' }, '', []],
    ['.env', {}, 'LOG_FILE=-\n', []],
    ['a flag', {}, '', ['--log-file', '-']],
  ])('a log file of - is none, and nothing that grows unseen: by %s', async (_, environment, dotenv, flags) => {
    const root = new Root().write('.env', dotenv);
    const started = callScript(root, flags, { TOKEN_REFRESHER_ROOT: root.path, ...environment });
    expect(started).toMatchObject({ status: 0, stderr: '' });
    expect(started.stdout).toContain('log:      none (the log file is -)\n');
    for (const name of ['token_refresher.log', '-']) expect(root.has(name)).toBe(false);
    const pid = pidOf(started.stdout);
    const before = sizesOf(pid);
    for (let n = 0; n < 3; n += 1) {
      define(root, `more-${n}.json`, open(`more-${n}`));
      const has = (): boolean => root.text('.oauth-tokens/mcp.json').includes(`more-${n}`);
      await until(has, 'a cycle that has something to say');
    }
    expect(sizesOf(pid)).toEqual(before);
  });

  test('what ends by itself is shown, also without a log file', () => {
    const root = new Root();
    const done = callScript(root, ['--once'], { TOKEN_REFRESHER_ROOT: root.path, LOG_FILE: '-' });
    expect(done).toMatchObject({ status: 0, stderr: expect.stringContaining('cycle completed') });
  });
});

/** Bytes of what a process says on standard output and error, where that is a file; none where nobody can tell. */
function sizesOf(pid: string | undefined): readonly number[] {
  const found = ['1', '2'].map((descriptor) => statSync(`/proc/${pid}/fd/${descriptor}`, { throwIfNoEntry: false }));
  return found.flatMap((one) => one?.size ?? []);
}

/** A checkout of the sources as they are here, in a folder of its own. */
function checkout(): Root {
  const root = new Root();
  const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: REPOSITORY, encoding: 'utf8' });
  for (const path of listed
    .trim()
    .split('\n')
    .filter((name) => /^(src|schemas|templates|scripts|registry)\/|^[^/]+$/.test(name))) {
    mkdirSync(dirname(root.full(path)), { recursive: true });
    cpSync(join(REPOSITORY, path), root.full(path), { verbatimSymlinks: true });
  }
  symlinkSync(join(REPOSITORY, 'node_modules'), root.full('node_modules'));
  return root;
}

describe('the start script in a checkout', () => {
  test('builds when the sources are not what was built, says so, and does not otherwise', () => {
    const sources = checkout();
    const root = new Root();
    const start = (): Called => {
      const started = callScript(
        root,
        ['--once'],
        { TOKEN_REFRESHER_ROOT: root.path },
        sources.full('start_token_refresher.sh'),
      );
      expect(started.status, started.stderr).toBe(0);
      return started;
    };
    expect(start().stderr).toMatch(/npm run build, which may take .* done in \d+ s/s);
    expect(start().stderr).not.toContain('npm');
    // As `git pull` and `rsync -a` leave it: another content, and a time that is older than the build.
    const changed = sources.full('src/ground/duration.ts');
    const { atime, mtime } = statSync(changed);
    appendFileSync(changed, '\nexport const MADE_UP = 1;\n');
    utimesSync(changed, atime, mtime);
    expect(start().stderr).toMatch(/npm run build/);
    expect(start().stderr).not.toContain('npm');
    rmSync(sources.full('dist/build-id'));
    appendFileSync(sources.full('package-lock.json'), '\n');
    rmSync(sources.full('node_modules'));
    const broken = callScript(
      root,
      ['--once'],
      { TOKEN_REFRESHER_ROOT: root.path, PATH: fakeNpm(root) },
      sources.full('start_token_refresher.sh'),
    );
    expect(broken).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/npm ci.* failed\nmade-up trouble: ci\n.*npm ci failed/s),
    });
  });

  test('works from an installed package, which has no sources', () => {
    const sources = checkout();
    rmSync(sources.full('src'), { recursive: true });
    rmSync(sources.full('node_modules'));
    cpSync(join(REPOSITORY, 'dist'), sources.full('dist'), { recursive: true });
    const root = new Root();
    const environment = { TOKEN_REFRESHER_ROOT: root.path };
    const started = callScript(root, ['--once'], environment, sources.full('start_token_refresher.sh'));
    expect(started).toMatchObject({ status: 0, stderr: '' });
    expect(root.text('token_refresher.log')).toContain('cycle completed');
  });
});

/** A PATH on which npm only says what it was asked for, and fails. */
function fakeNpm(root: Root): string {
  root.write('bin/npm', '#!/bin/sh\necho "made-up trouble: $1"\nexit 1\n');
  spawnSync('chmod', ['755', root.full('bin/npm')]);
  return `${root.full('bin')}:${process.env.PATH}`;
}
