import { describe, expect, it } from 'vitest';
import { commandHooks } from '../../src/adapters/hooks.js';
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
    hooks.tell({ event: 'change', outputs: [] });
    await hooks.settled(60);
    expect(log.text).toMatch(/on-change: not done within 0\.2 s, ended/);
    const sleeper = Number(root.text('sleeper'));
    await until(() => !isRunning(sleeper), 'the end of what it has started');
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
