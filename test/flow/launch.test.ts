import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BARE, follow, SCRIPT, until } from '../fixtures/program.js';
import { Root } from '../fixtures/root.js';

/** A copy of the program, whose compiled form may be spoilt. */
function installed() {
  const root = new Root();
  const dist = root.full('package/dist');
  mkdirSync(dist, { recursive: true });
  for (const name of readdirSync(dirname(SCRIPT))) {
    if (/^(program\.cjs|main\.cjs)$/.test(name)) cpSync(join(dirname(SCRIPT), name), join(dist, name));
  }
  cpSync(join(dirname(SCRIPT), '../package.json'), root.full('package/package.json'));
  const caches = (): string[] => readdirSync(dist).filter((name) => name.includes('.cache'));
  const start = async () => {
    const child = spawn(process.execPath, [join(dist, 'main.cjs'), '--version'], {
      env: BARE,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const { code, signal, stdout, stderr } = await follow(child).ended;
    return { code, signal, stderr, version: stdout.trim() };
  };
  return { dist, caches, start };
}

const VERSION = JSON.parse(readFileSync(join(dirname(SCRIPT), '../package.json'), 'utf8')).version;
const GOOD = { code: 0, signal: null, stderr: '', version: VERSION };

describe('the compiled form of the program', () => {
  it('is written by the first start, whole, and used by the next', async () => {
    const { dist, caches, start } = installed();
    expect(await start()).toEqual(GOOD);
    const [name = ''] = caches();
    const first = readFileSync(join(dist, name));
    expect(await start()).toEqual(GOOD);
    expect(caches()).toEqual([name]);
    expect(readFileSync(join(dist, name))).toEqual(first);
  });

  it.each<[what: string, spoil: (bytes: Buffer) => Buffer]>([
    [
      'whose second half is zeros',
      (bytes) => Buffer.concat([bytes.subarray(0, bytes.length / 2), Buffer.alloc(bytes.length / 2)]),
    ],
    ['of which a part is missing', (bytes) => bytes.subarray(0, bytes.length / 3)],
    ['that is empty', () => Buffer.alloc(0)],
    ['that is zeros', (bytes) => Buffer.alloc(bytes.length)],
    ['in which a byte is another', (bytes) => Buffer.from(bytes).fill(7, 500_000, 500_001)],
    ['that is something else', () => Buffer.from('a text')],
  ])('%s is not used, and made anew', async (_, spoil) => {
    const { dist, caches, start } = installed();
    await start();
    const [name = ''] = caches();
    const spoilt = spoil(readFileSync(join(dist, name)));
    writeFileSync(join(dist, name), spoilt);
    expect(await start()).toEqual(GOOD);
    expect(readFileSync(join(dist, name)).equals(spoilt)).toBe(false);
    expect(await start()).toEqual(GOOD);
  });

  it('leaves nothing where it cannot be put in its place', async () => {
    const { dist, caches, start } = installed();
    await start();
    const [name = ''] = caches();
    rmSync(join(dist, name));
    mkdirSync(join(dist, name));
    expect(await start()).toEqual(GOOD);
    expect(caches()).toEqual([name]);
  });

  it('leaves no pieces of those who were killed while they wrote it', async () => {
    const { dist, caches, start } = installed();
    await start();
    const [name = ''] = caches();
    writeFileSync(join(dist, name), '');
    writeFileSync(join(dist, `${name}.12345`), 'a piece');
    await start();
    expect(caches()).toEqual([name]);
  });
});

describe('SIGUSR1 opens no debugger', () => {
  /** What is loaded before the program's first statement sends it, at the moment that Node has its own answer to it. */
  const EARLY = "process.kill(process.pid, 'SIGUSR1')";
  const LOOK = `process.on('exit', () => console.error('debugger at', require('node:inspector').url()))`;

  it('that comes before the first statement', async () => {
    const look = "setInterval(() => console.error('debugger at', require('node:inspector').url()), 20)";
    const root = new Root().write('early.cjs', `${look}\n${EARLY}`);
    const child = spawn(process.execPath, ['--require', root.full('early.cjs'), SCRIPT, 'status', '--watch'], {
      cwd: root.path,
      env: BARE,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const { said } = follow(child);
    const looks = (): string[] => said.stderr.split('\n').filter((line) => line.startsWith('debugger at'));
    await until(() => looks().length > 30, 'thirty looks');
    expect(looks().slice(-10)).toEqual(Array(10).fill('debugger at undefined'));
  });

  it.each([
    ['status', '--watch'],
    ['login', 'x', '--no-browser'],
    ['run', '--interval', '60'],
    ['bridge', 'x'],
  ])('that comes to %s, as soon as it is there', async (...words) => {
    const root = new Root()
      .write('look.cjs', `${LOOK}\nsetImmediate(() => console.error('up'))`)
      .write('registry/servers/x.json', { path: '/x', mcp_endpoint: 'http://127.0.0.1:9/mcp' });
    const child = spawn(process.execPath, ['--require', root.full('look.cjs'), SCRIPT, ...words], {
      cwd: root.path,
      env: BARE,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const { said, ended } = follow(child);
    await until(() => said.stderr.includes('up'), 'the program');
    child.kill('SIGUSR1');
    child.stdin.end();
    child.kill('SIGTERM');
    expect((await ended).stderr).not.toMatch(/debugger at ws|Debugger listening/);
  });
});
