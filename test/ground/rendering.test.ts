import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import type { CommandEntry, RemoteEntry } from '../../src/ground/entry.js';
import { shellLine, templateContext } from '../../src/ground/rendering.js';
import { Secret } from '../../src/ground/secret.js';
import type { Delivery } from '../../src/ground/settings.js';

const remote: RemoteEntry = {
  kind: 'remote',
  key: 'k',
  file: 'f',
  url: 'http://k',
  openUrl: 'http://k',
  sse: false,
  headers: {},
  token: null,
};
const command: CommandEntry = {
  kind: 'command',
  key: 'c',
  file: 'f',
  command: 'x',
  args: ['y'],
  env: { Z: new Secret('s') },
};
const self = ['/opt/my node/bin', '/p/main.cjs', '--root', "/it's"];
const of = (entry: RemoteEntry | CommandEntry, shown = true, delivery: Delivery = 'http') =>
  templateContext('/r', [entry], self, delivery, (secret) => (shown ? secret.reveal() : '[redacted]')).servers[0];

describe('what templates are given', () => {
  it('no headers are null, not empty', () => {
    expect(of(remote)).toEqual({
      key: 'k',
      kind: 'remote',
      transport: 'http',
      url: 'http://k',
      headers: null,
      authorization: null,
      helper: null,
      command: null,
      args: [],
      env: {},
    });
  });

  it('a helper only where a header is secret', () => {
    const open = of({ ...remote, headers: { 'X-A': '1' } });
    const closed = of({ ...remote, sse: true, headers: { Authorization: new Secret('Bearer t') } });
    expect(open).toMatchObject({ headers: { 'X-A': '1' }, helper: null });
    expect(closed).toMatchObject({
      transport: 'sse',
      authorization: 'Bearer t',
      helper: expect.stringMatching(/ headers k$/),
    });
  });

  it('live, a bridge in the place of whatever holds a secret, and nothing else', () => {
    const closed = { ...remote, headers: { Authorization: new Secret('Bearer t'), 'X-A': '1' } };
    const called = { kind: 'bridge', url: null, headers: null, authorization: null, command: '/opt/my node/bin' };
    const args = ['/p/main.cjs', '--root', "/it's", 'bridge'];
    expect(of(closed, true, 'live')).toMatchObject({
      ...called,
      args: [...args, 'k'],
      env: { MCP_SERVER_URL: 'http://k' },
      helper: expect.stringMatching(/ headers k$/),
    });
    expect(of(command, true, 'live')).toMatchObject({ ...called, args: [...args, 'c'], env: {}, helper: null });
    const open = { ...remote, headers: { 'X-A': '1' } };
    expect(of(open, true, 'live')).toEqual(of(open));
    expect(of({ ...command, env: { Z: '1' } }, true, 'live')).toMatchObject({ kind: 'command', env: { Z: '1' } });
  });

  it('a command, and its secrets as they may be shown', () => {
    expect(of(command)).toMatchObject({ transport: 'stdio', url: null, command: 'x', args: ['y'], env: { Z: 's' } });
    expect(of(command, false)).toMatchObject({ env: { Z: '[redacted]' } });
  });
});

describe('words for a shell come back as they were', () => {
  it.each([
    [['plain', '/a/b.c', '--x=y', 'k_1@h:2']],
    [['a b', "it's", '"q"', '$HOME', '`id`', '\\', '*', '', 'ü', 'a\nb', '!x', '~', '#']],
  ])('%j', (words) => {
    const printed = execFileSync('sh', ['-c', `printf '%s\\0' ${shellLine(words)}`], { encoding: 'utf8' });
    expect(printed.split('\0').slice(0, -1)).toEqual(words);
  });
});
