import { describe, expect, it } from 'vitest';
import { nameOf } from '../../src/cli/commands.js';
import { logOptionsOf, rootOf, settingsOf, UsageError } from '../../src/cli/options.js';
import { parseCall } from '../../src/cli/parse.js';

async function called(...argv: string[]) {
  const parsed = await parseCall(argv, '1.2.3', 80);
  return parsed.kind === 'help' ? parsed.text : [nameOf(parsed.command), parsed.words, parsed.flags];
}

describe('a call', () => {
  it.each<[argv: string[], command: string, words: string[], flags: object]>([
    [[], 'run', [], {}],
    [['run', '--once'], 'run', ['run'], { once: true }],
    [['--interval', '5'], 'run', [], { interval: '5' }],
    [['status', '--json', '--no-watch'], 'status', [], { json: true, watch: false }],
    [['refresh', 'a', 'b', '--force'], 'refresh', ['a', 'b'], { force: true }],
    [['--force', 'refresh', 'a'], 'refresh', ['a'], { force: true }],
    [['--log-file', '-', 'token', 'a'], 'token', ['a'], { 'log-file': '-' }],
    [['link', 'claude', 'vscode', '--project', 'x'], 'link', ['claude', 'vscode'], { project: 'x' }],
    [['headers', '42'], 'headers', ['42'], {}],
    [['--token-files', 'a', '--token-files', 'b', 'render'], 'render', [], { 'token-files': ['a', 'b'] }],
  ])('%j', async (argv, command, words, flags) => {
    expect(await called(...argv)).toEqual([command, words, flags]);
  });

  it.each([
    [['statu'], 'there is no command "statu"; did you mean "status"?'],
    [['status', 'now'], 'status takes no "now"'],
    [['run', 'status'], 'run takes no "status"'],
    [['status', '--jsn'], 'status has no flag --jsn; did you mean "json"?'],
    [['status', '--interval', '5'], 'status has no flag --interval'],
    [['--once=perhaps'], '--once takes no value, or true or false; "perhaps" is neither'],
    [['token'], /Not enough non-option arguments/],
    [['refresh', '-', '--log-level'], /Not enough arguments following/],
    [['status', '--interval', 'x'.repeat(100_000)], /no flag/],
  ])('%j is not understood', async (argv, message) => {
    await expect(called(...argv)).rejects.toThrow(message);
    await expect(called(...argv)).rejects.toThrow(UsageError);
  });

  it('for help names the commands, or the flags and an example of one', async () => {
    expect(await called('--help')).toMatch(/token-refresher bridge <server> /);
    expect(await called('headers', '--help')).toMatch(/Examples:\n {2}token-refresher headers atlassian/);
    expect(await called('--version')).toBe('1.2.3');
  });
});

describe('settings', () => {
  const settings = (flags: object = {}, environment: Record<string, string> = {}) =>
    settingsOf('/root', flags as Record<string, unknown>, environment);

  it('have the defaults of the README', () => {
    expect(settings()).toEqual({
      root: '/root',
      interval: 300,
      timing: { buffer: 3600, floor: 30 },
      delivery: 'live',
      outputs: null,
      registryUrl: null,
      registryUrlFromFlag: false,
      hooks: { change: null, 'login-needed': null },
      clientCommand: null,
      allowHttp: false,
      api: null,
      redis: null,
      sharedKeys: null,
      tokenFiles: ['.kroger_tokens.json', '.mcp_tokens_*.json'],
    });
    expect(logOptionsOf('/root', {}, {})).toMatchObject({ level: 'INFO', file: '/root/token_refresher.log' });
  });

  it('are taken from flags, then from the environment', () => {
    const environment = {
      TOKEN_REFRESH_INTERVAL: '7',
      TOKEN_DELIVERY: 'env',
      ON_CHANGE: `say 'a b'`,
      TOKEN_FILES: 'x, y',
    };
    expect(settings({ interval: ['5', '6'] }, environment)).toMatchObject({
      interval: 6,
      delivery: 'env',
      hooks: { change: ['say', 'a b'] },
      tokenFiles: ['x', 'y'],
    });
    expect(settings({ 'registry-url': 'https://g.test' }, { REGISTRY_URL: 'https://e.test' })).toMatchObject({
      registryUrl: 'https://g.test',
      registryUrlFromFlag: true,
    });
    const log = logOptionsOf(
      '/root',
      { 'log-file': '-', 'log-max-size': '2k', 'log-max-files': '3' },
      { LOG_LEVEL: 'debug' },
    );
    expect(log).toMatchObject({ level: 'DEBUG', file: null, stderr: true, maxSize: 2048, maxFiles: 3 });
  });

  it.each([
    [{ interval: '0' }, /--interval: "0" is not a number of seconds of 1 or more/],
    [{ buffer: 'x' }, /--buffer: "x"/],
    [{ delivery: 'lives' }, /is not one of live, http, env; did you mean "live"/],
    [{ 'registry-url': 'ftp://x' }, /is not an http or https URL/],
    [{ 'on-change': 'a "b' }, /has a quote that is not closed/],
    [{ outputs: '' }, /--outputs needs a value/],
    [{ 'registry-url': 'https://u:p@h.test' }, /would stand in every config/],
  ])('%j are not understood', (flags, message) => {
    expect(() => settings(flags)).toThrow(message);
  });

  it.each([
    [{ REDIS_SHARED: 'ture' }, /REDIS_SHARED: "ture" is neither true nor false/],
    [{ REDIS_HOST: 'localhost', REDIS_SOCKET_KEEPALIVE: 'maybe' }, /REDIS_SOCKET_KEEPALIVE: "maybe"/],
  ])('%j are not understood either', (environment, message) => {
    expect(() => settings({}, environment)).toThrow(message);
  });

  it('want a folder for the log, and a file in it', () => {
    expect(() => logOptionsOf('/root', { 'log-file': 'nowhere/x.log' }, {})).toThrow(
      /--log-file: the folder of .* does not exist/,
    );
    expect(() => logOptionsOf('/', {}, { LOG_FILE: '/tmp' })).toThrow('LOG_FILE: /tmp is a folder');
  });
});

describe('what no system can take', () => {
  const LONG = '/'.padEnd(100_000, 'x');

  it.each(['/a\0b', LONG, `/${LONG}/${LONG}`])('as a folder is a usage error, in few words: %.20j', (path) => {
    const reads = [() => rootOf({ root: path }, {}), () => logOptionsOf('/', { 'log-file': `${path}/x.log` }, {})];
    for (const read of reads) {
      expect(read).toThrow(UsageError);
      expect(read).toThrow(/^.{1,1100}$/s);
    }
  });
});
