import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { FaultServer } from '../fixtures/fault-server.js';
import { BARE, follow, pause, run, SCRIPT, start, until } from '../fixtures/program.js';
import { define, open } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';
import { MOUNTS, mount } from '../fixtures/small-root.js';

const FILE = '.oauth-tokens/fault-thing-egress.json';
const ANOTHER = 1000;
const UNSHARES = spawnSync('unshare', ['--pid', '--fork', '--mount-proc', 'true']).status === 0;
const IS_ROOT = process.getuid?.() === 0;

async function daemon(root: Root, args: readonly string[] = []) {
  const started = start(root.path, args);
  await until(() => root.has('.token-refresher/last-cycle.json'), 'a cycle');
  return started;
}

const servers = (root: Root): string => Object.keys(root.json('.oauth-tokens/mcp.json').mcpServers).join();
const contents = (folder: string): string[] => readdirSync(folder, { recursive: true }).map(String);

/** Runs the program as another user, who may go everywhere but where only root may. */
async function asAnother(root: Root, args: readonly string[]) {
  const child = spawn(process.execPath, [SCRIPT, ...args], {
    cwd: root.path,
    env: BARE,
    stdio: ['pipe', 'pipe', 'pipe'],
    uid: ANOTHER,
    gid: ANOTHER,
  });
  return follow(child).ended;
}

describe('a daemon whose state folder is removed', () => {
  test('is known again within seconds, to status, stop and a second start', async () => {
    const root = new Root();
    const { pid, ended } = await daemon(root);
    root.remove('.token-refresher');
    await until(() => root.has('.token-refresher/last-cycle.json'), 'its state again');
    expect(JSON.parse((await run(root.path, ['status', '--json'])).stdout).instance).toMatchObject({
      running: true,
      pid,
    });
    expect((await run(root.path, ['health'])).code).toBe(0);
    expect((await run(root.path, ['--once'])).code).toBe(3);
    expect(await run(root.path, ['stop'])).toMatchObject({ code: 0, stdout: `stopped (PID ${pid})\n` });
    expect((await ended).code).toBe(0);
  });

  test('ends when another one has come in between', async () => {
    const root = new Root();
    const first = await daemon(root);
    await pause(first.process);
    root.remove('.token-refresher');
    const second = await daemon(root);
    first.process.kill('SIGCONT');
    expect((await first.ended).code).toBe(3);
    expect(root.text('token_refresher.log')).toContain('another instance has taken over');
    expect(root.text('token_refresher.pid')).toBe(`${second.pid}\n`);
    expect(JSON.parse((await run(root.path, ['status', '--json'])).stdout).instance.pid).toBe(second.pid);
  });
});

describe('a root that goes away under the daemon', () => {
  test('moved: it is not made anew, and all goes on when it is back', async () => {
    const parent = new Root();
    const root = define(new Root(), 'a.json', open('a'));
    const home = join(parent.path, 'root');
    renameSync(root.path, home);
    const at = Object.assign(Object.create(root), { path: home }) as Root;
    const started = await daemon(at);
    renameSync(home, `${home}.moved`);
    const log = `${home}.moved/token_refresher.log`;
    await until(() => spawnSync('grep', ['-c', 'unmounted', log]).status === 0, 'that it is noticed');
    started.process.kill('SIGHUP');
    await until(() => spawnSync('grep', ['-c', 'the root is back', log]).status !== 0, 'nothing');
    expect(readdirSync(parent.path)).toEqual(['root.moved']);
    renameSync(`${home}.moved`, home);
    define(at, 'b.json', open('b'));
    await until(() => servers(at) === 'a,b', 'the new server');
    expect((await run(home, ['--once'])).code).toBe(3);
    started.process.kill('SIGTERM');
    expect((await started.ended).code).toBe(0);
  });

  test('moved for good: it ends when it is told to, and leaves nothing', async () => {
    const parent = new Root();
    const home = join(parent.path, 'root');
    renameSync(define(new Root(), 'a.json', open('a')).path, home);
    const started = start(home);
    await until(() => readdirSync(home).includes('.token-refresher'), 'a start');
    renameSync(home, `${home}.moved`);
    started.process.kill('SIGTERM');
    expect((await started.ended).signal).toBe(null);
    expect(readdirSync(parent.path)).toEqual(['root.moved']);
  });

  test.skipIf(!MOUNTS)('unmounted: nothing is written below it, and all goes on when it is mounted again', async () => {
    const real = define(new Root(), 'a.json', open('a'));
    const point = new Root();
    expect(mount('--bind', real.path, point.path)).toBe(true);
    onTestFinished(() => void spawnSync('umount', ['-l', point.path]));
    const started = start('/', ['--root', point.path]);
    await until(() => real.has('.token-refresher/last-cycle.json'), 'a cycle');
    spawnSync('umount', ['-l', point.path]);
    started.process.kill('SIGHUP');
    await until(() => real.text('token_refresher.log').includes('moved away or unmounted'), 'that it is noticed');
    expect(contents(point.path)).toEqual([]);
    expect(servers(real)).toBe('a');
    expect(mount('--bind', real.path, point.path)).toBe(true);
    define(real, 'b.json', open('b'));
    await until(() => servers(real) === 'a,b', 'the new server');
    expect((await run('/', ['stop', '--root', point.path])).code).toBe(0);
    expect((await started.ended).code).toBe(0);
  });
});

describe.skipIf(!IS_ROOT)("another user's instance", () => {
  test('is not none, but unknown, with the reason', async () => {
    const root = new Root();
    chmodSync(root.path, 0o755);
    const { process: running } = await daemon(root);
    const health = await asAnother(root, ['health']);
    expect(health.code).toBe(3);
    expect(health.stdout).toMatch(/^UNKNOWN - .*permission denied\n$/);
    const stop = await asAnother(root, ['stop']);
    expect(stop).toMatchObject({ code: 1, stdout: '' });
    expect(stop.stderr).toMatch(/permission denied/);
    const status = await asAnother(root, ['status']);
    expect(status.stdout).toMatch(/^it is unknown whether an instance is running: .*permission\s+denied/s);
    const json = JSON.parse((await asAnother(root, ['status', '--json'])).stdout);
    expect(json.instance).toMatchObject({
      running: null,
      pid: null,
      reason: expect.stringMatching(/permission denied/),
    });
    const second = await asAnother(root, ['--once', '--log-file', '-']);
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(/permission denied/);
    expect(running.exitCode).toBe(null);
  });

  test('that may be seen is not stopped, and that is said', async () => {
    const root = new Root();
    const { pid, process: running } = await daemon(root);
    for (const path of ['', '.token-refresher']) chmodSync(root.full(path), 0o755);
    expect(await asAnother(root, ['stop'])).toMatchObject({
      code: 1,
      stdout: '',
      stderr: `PID ${pid} is another user's; stop it as that one\n`,
    });
    expect(running.exitCode).toBe(null);
  });
});

describe.skipIf(!IS_ROOT)("root in somebody's project", () => {
  const ownedBy = (root: Root, uid: number): string[] =>
    contents(root.path).filter((path) => statSync(root.full(path)).uid === uid);

  test('leaves nothing that is not theirs', async () => {
    const server = await FaultServer.start();
    const root = define(new Root(), 'a.json', open('a')).write(FILE, server.file());
    for (const path of ['', ...contents(root.path)]) chownSync(root.full(path), ANOTHER, ANOTHER);
    // As an older version has left it.
    root.write('.oauth-tokens/mcp.json', '{}');
    expect((await run(root.path, ['--once'])).code).toBe(0);
    expect(ownedBy(root, 0)).toEqual([]);
    const { pid } = await daemon(root);
    expect(ownedBy(root, 0)).toEqual([]);
    expect(root.text('token_refresher.pid')).toBe(`${pid}\n`);
    expect((await run(root.path, ['stop'])).code).toBe(0);
    root.write(FILE, { ...root.json(FILE), expires_at: 1 });
    chownSync(root.full(FILE), ANOTHER, ANOTHER);
    root.remove('.token-refresher/attempts');
    expect(await asAnother(root, ['--once'])).toMatchObject({ code: 0, stderr: '' });
    expect(root.json(FILE).refresh_token).toBe(server.newest);
  });

  test('and what is root’s own stays so', async () => {
    const root = define(new Root(), 'a.json', open('a'));
    mkdirSync(root.full('.oauth-tokens'));
    expect((await run(root.path, ['--once'])).code).toBe(0);
    expect(ownedBy(root, 0)).toEqual(contents(root.path));
  });
});

describe.skipIf(!UNSHARES)('an instance of another container', () => {
  const container = (root: Root, args: readonly string[]) => {
    const words = ['--pid', '--fork', '--mount-proc', '--kill-child', process.execPath, SCRIPT, ...args];
    const child = spawn('unshare', words, { cwd: root.path, env: BARE, stdio: ['pipe', 'pipe', 'pipe'] });
    return { child, ...follow(child) };
  };

  test('that lives is told as it is', async () => {
    const root = new Root();
    container(root, []);
    await until(() => root.has('.token-refresher/last-cycle.json'), 'a cycle');
    const second = await run(root.path, ['--once']);
    expect(second.code).toBe(3);
    expect(second.stderr).toMatch(/another instance is running here \(PID 1\); it is of another machine or container/);
    expect((await run(root.path, ['health'])).code).toBe(0);
    expect(JSON.parse((await run(root.path, ['status', '--json'])).stdout).instance).toMatchObject({
      running: true,
      pid: 1,
    });
    expect(await run(root.path, ['stop'])).toMatchObject({ code: 1, stdout: '' });
    expect((await run(root.path, ['--replace', '--once'])).code).toBe(3);
  });

  test('that was killed is waited for, and not given up', async () => {
    const root = new Root();
    const first = container(root, []);
    await until(() => root.has('.token-refresher/last-cycle.json'), 'a cycle');
    first.child.kill('SIGKILL');
    await first.ended;
    const anew = container(root, ['--once']);
    await until(() => anew.said.stderr.includes('waiting until it shows no sign of life'), 'that it says so');
    expect((await anew.ended).code).toBe(0);
    expect((await run(root.path, ['health'])).stdout).toMatch(/^CRITICAL - no instance is running/);
  });
});
