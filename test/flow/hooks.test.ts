import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { commandHooks } from '../../src/adapters/hooks.js';
import type { HookEvent } from '../../src/ports/hooks.js';
import { KeptLog } from '../fixtures/app.js';
import { FaultServer, refusal } from '../fixtures/fault-server.js';
import { run, start, until } from '../fixtures/program.js';
import { define, egress, open } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';

const RECORD = `/bin/sh -c "env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD= >> told.txt; echo noted"`;
const told = (root: Root): string[] => (root.has('told.txt') ? root.text('told.txt').trim().split('\n').sort() : []);

describe('--on-change', () => {
  it('is told which outputs were written, and is given nothing else', async () => {
    const root = new Root();
    define(root, 'clock.json', open('clock'));
    const { code } = await run(root.path, ['--once', '--on-change', RECORD], {
      LANG: 'C.UTF-8',
      MADE_UP_SECRET: 'not-to-be-passed-on',
    });
    expect(code).toBe(0);
    expect(told(root)).toEqual(
      [
        'HOME=/nonexistent',
        'LANG=C.UTF-8',
        `PATH=${process.env.PATH}`,
        'TOKEN_REFRESHER_EVENT=change',
        `TOKEN_REFRESHER_OUTPUTS=${root.full('.oauth-tokens/mcp.json')}`,
        root.full('.oauth-tokens/roo_mcp.json'),
        root.full('.oauth-tokens/vscode_mcp.json'),
        `TOKEN_REFRESHER_ROOT=${root.path}`,
      ].sort(),
    );
    expect(root.text('token_refresher.log')).toMatch(/ - INFO - CONFIG - on-change: noted$/m);
  });

  it('is not called when nothing is written, and again when something is', async () => {
    const root = new Root();
    define(root, 'clock.json', open('clock'));
    await run(root.path, ['--once']);
    start(root.path, [], { ON_CHANGE: RECORD });
    await until(() => root.text('token_refresher.log').match(/cycle completed/g)?.length === 2, 'its first cycle');
    expect(told(root)).toEqual([]);
    define(root, 'more.json', open('more'));
    await until(() => told(root).includes('TOKEN_REFRESHER_EVENT=change'), 'the hook');
  });

  it.each([
    ['/bin/sh -c "exit 3"', /on-change: \/bin\/sh ended with code 3/],
    ['/nowhere/at-all', /on-change: \/nowhere\/at-all cannot be run: ENOENT/],
  ])('that fails is said, and harms nothing: %s', async (command, line) => {
    const root = new Root();
    define(root, 'clock.json', open('clock'));
    expect(await run(root.path, ['--once', '--on-change', command])).toMatchObject({ code: 0 });
    expect(root.text('token_refresher.log')).toMatch(line);
  });

  it('runs no shell: words are split as one does, and that is all', async () => {
    const root = new Root();
    define(root, 'clock.json', open('clock'));
    await run(root.path, ['--once', '--on-change', `printf '%s|' "a b" $HOME '*' ; c\\ d`]);
    expect(root.text('token_refresher.log')).toMatch(/on-change: a b\|\$HOME\|\*\|;\|c d\|$/m);
  });

  it('that prints a token does not bring it into the log', async () => {
    const root = new Root();
    const [path, content] = egress('p', 'x', 'made-up-access-token');
    root.write(path, content);
    define(root, 'x.json', { path: '/x', mcp_endpoint: 'http://x.test/', auth_type: 'oauth', auth_provider: 'p' });
    await run(root.path, ['--once', '--on-change', 'cat .oauth-tokens/mcp.json']);
    expect(root.text('token_refresher.log')).toMatch(/on-change: .*Bearer \[redacted\]/);
    expect(root.text('token_refresher.log')).not.toContain('made-up-access-token');
  });

  it.each(['""', "'' x", '   '])('that names no command is a usage error: %j', async (command) => {
    const { code, stderr } = await run(new Root().path, ['--once', '--on-change', command]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/--on-change: /) });
  });

  it.each<[what: string, token: string, line: RegExp]>([
    ['a NUL', 'a\0b', /INFO.*on-login-needed: token a\uFFFDb/],
    ['half a letter', 'a\ud800b', /INFO.*on-login-needed: token a\uFFFDb/],
    ['more than a system takes', 'x'.repeat(3_000_000), /WARNING.*on-login-needed: \/bin\/sh cannot be run: E2BIG/],
  ])('is told of a name that holds %s, and the next one as well', async (_, token, line) => {
    const log = new KeptLog();
    const say = ['/bin/sh', '-c', 'echo token $TOKEN_REFRESHER_TOKEN'];
    const hooks = commandHooks(new Root().path, { change: null, 'login-needed': say }, log);
    for (const name of [token, 'next']) hooks.tell({ event: 'login-needed', token: name, reason: '', command: '' });
    await hooks.settled(60);
    expect(log.text).toMatch(line);
    expect(log.text).toMatch(/on-login-needed: token next/);
  });

  it('with a quote that is not closed is a usage error', async () => {
    const { code, stderr } = await run(new Root().path, ['--once', '--on-change', 'notify "a']);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/--on-change: .* quote/) });
  });

  it('that does not end is ended, and what it has started with it', async () => {
    const root = new Root();
    const log = new KeptLog();
    const forever = ['/bin/sh', '-c', 'sleep 600 & echo $! > sleeper; wait'];
    const hooks = commandHooks(root.path, { change: forever, 'login-needed': null }, log, 200);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    hooks.tell({ event: 'change', outputs: [] });
    // Its time is over when it has started something, on a machine however slow.
    while (!root.has('sleeper') || !root.text('sleeper').endsWith('\n')) await new Promise(setImmediate);
    vi.advanceTimersByTime(200);
    vi.useRealTimers();
    await hooks.settled(60);
    expect(log.text).toMatch(/on-change: not done within 0\.2 s, ended/);
    const sleeper = Number(root.text('sleeper'));
    await until(() => !isRunning(sleeper), 'the end of what it has started');
  });
});

describe('a hook that hangs delays no other', () => {
  const login = (token: string): HookEvent => ({
    event: 'login-needed',
    token,
    reason: 'made up',
    command: `token-refresher login ${token}`,
  });
  const change = (path: string): HookEvent => ({ event: 'change', outputs: [path] });
  /** One that never ends for what is named so, and notes what it was told otherwise. */
  const HANGS = [
    '/bin/sh',
    '-c',
    'case "$TOKEN_REFRESHER_TOKEN$TOKEN_REFRESHER_OUTPUTS" in *hang*) sleep 600;; esac; echo "$TOKEN_REFRESHER_TOKEN$TOKEN_REFRESHER_OUTPUTS" >> told.txt',
  ];
  const hooksIn = (root: Root) => {
    const hooks = commandHooks(root.path, { change: HANGS, 'login-needed': HANGS }, new KeptLog(), 60_000);
    onTestFinished(() => hooks.settled(0));
    return hooks;
  };

  it('of the other kind, nor of another token', async () => {
    const root = new Root();
    const hooks = hooksIn(root);
    hooks.tell(change('hang'));
    hooks.tell(login('hang'));
    hooks.tell(login('other'));
    await until(() => told(root).includes('other'), 'the hook of the other token');
    const more = new Root();
    const others = hooksIn(more);
    others.tell(login('hang'));
    others.tell(change('mcp.json'));
    await until(() => told(more).includes('mcp.json'), 'the hook of the other kind');
    expect(told(root)).toEqual(['other']);
  });

  it('but of one kind and token each comes after the one before, changes together', async () => {
    const root = new Root();
    const hooks = hooksIn(root);
    for (const name of ['a', 'b', 'c']) hooks.tell(change(name));
    for (const name of ['t', 't', 't']) hooks.tell(login(name));
    await hooks.settled(30);
    const lines = root.text('told.txt').trim().split('\n');
    expect(lines.filter((line) => line !== 't')).toEqual(['a', 'b', 'c']);
    expect(lines.filter((line) => line === 't')).toHaveLength(3);
  });

  it('and no more than a few run at once, however many tokens need a login', async () => {
    const root = new Root();
    const most = ['/bin/sh', '-c', 'echo x >> "on-$$"; ls on-* | wc -l >> counts; sleep 0.05; rm "on-$$"'];
    const hooks = commandHooks(root.path, { change: null, 'login-needed': most }, new KeptLog(), 60_000);
    for (let n = 0; n < 40; n += 1) hooks.tell(login(`t${n}`));
    await hooks.settled(60);
    const counts = root.text('counts').trim().split('\n').map(Number);
    expect(counts).toHaveLength(40);
    expect(Math.max(...counts)).toBeLessThanOrEqual(8);
  });

  it('also where what it has started has left its group and holds its output open', async () => {
    const root = new Root();
    const leaves = ['/bin/sh', '-c', 'echo told >> told.txt; setsid sleep 600 & echo $! >> sleepers; exit 0'];
    const hooks = commandHooks(root.path, { change: leaves, 'login-needed': null }, new KeptLog(), 100);
    hooks.tell(change('a'));
    await until(() => told(root).length === 1, 'the first');
    hooks.tell(change('b'));
    await hooks.settled(60);
    expect(told(root)).toEqual(['told', 'told']);
    for (const pid of root.text('sleepers').trim().split('\n')) process.kill(Number(pid), 'SIGKILL');
  });

  it('and when the program ends, all that still run are ended', async () => {
    const root = new Root();
    const log = new KeptLog();
    const forever = ['/bin/sh', '-c', 'echo $$ >> pids; sleep 600'];
    const hooks = commandHooks(root.path, { change: forever, 'login-needed': forever }, log, 60_000);
    for (const event of [change('a'), login('b'), login('c')]) hooks.tell(event);
    await until(() => root.has('pids') && root.text('pids').trim().split('\n').length === 3, 'all three');
    const pids = root.text('pids').trim().split('\n').map(Number);
    await hooks.settled(0);
    await until(() => !pids.some(isRunning), 'their end');
  });
});

describe('--on-login-needed', () => {
  const needed = (root: Root): string[] => told(root).filter((line) => /TOKEN=|REASON=|COMMAND=/.test(line));

  it('is told of a token that is dead, once, and what to run', async () => {
    const root = new Root();
    const server = await FaultServer.start();
    server.next.push(refusal('invalid_grant'));
    root.write('.oauth-tokens/fault-thing-egress.json', server.file());
    start(root.path, ['--on-login-needed', RECORD]);
    await until(() => needed(root).length > 0, 'the hook');
    define(root, 'clock.json', open('clock'));
    await until(
      () => root.has('.oauth-tokens/mcp.json') && root.text('.oauth-tokens/mcp.json').includes('clock'),
      'it',
    );
    expect(needed(root)).toEqual([
      'TOKEN_REFRESHER_COMMAND=token-refresher login fault',
      expect.stringMatching(/^TOKEN_REFRESHER_REASON=.*invalid_grant/),
      'TOKEN_REFRESHER_TOKEN=fault-thing',
    ]);
  });

  it('is told of a token that is missing, not of a configuration that lacks something', async () => {
    const root = new Root();
    define(root, 'tracker.json', {
      path: '/tracker',
      mcp_endpoint: 'http://t.test/',
      auth_type: 'oauth',
      auth_provider: 'jira',
    });
    define(root, 'vague.json', { path: '/vague', mcp_endpoint: 'http://v.test/', auth_type: 'oauth' });
    const [path, content] = egress('atlassian', 'docs', 'made-up-access');
    root.write(path, { ...content, refresh_token: 'made-up-refresh', expires_at: 1 });
    await run(root.path, ['--once', '--on-login-needed', RECORD]);
    expect(needed(root)).toEqual([
      'TOKEN_REFRESHER_COMMAND=token-refresher login tracker',
      expect.stringMatching(/^TOKEN_REFRESHER_REASON=there is no token of jira/),
      'TOKEN_REFRESHER_TOKEN=jira-tracker',
    ]);
  });
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
