import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { call } from '../fixtures/command.js';
import { run } from '../fixtures/program.js';
import { define, open } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';
import { CTRL_C, hasTerminals, Terminal } from '../fixtures/terminal.js';

const READONLY = '.mcp_tokens_readonly.json';

/** A JWT of no signature to speak of. */
function jwt(exp: number): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none' })}.${part({ exp })}.made-up`;
}

function piped(root: Root, args: readonly string[], input: string) {
  return call(root, args, {}, { input }).ended;
}

describe('without a terminal', () => {
  test('reads one token, and keeps every field', async () => {
    const root = new Root();
    const input = {
      access_token: ' Bearer made-up-access\n',
      refresh_token: 'made-up-refresh',
      expires_in: 3600,
      team: 7,
    };
    const { code, stdout, stderr } = await piped(
      root,
      ['setup', '--name', 'readonly', '--json'],
      JSON.stringify(input),
    );
    expect({ code, said: JSON.parse(stdout) }).toMatchObject({
      code: 0,
      said: { name: 'readonly', file: READONLY, refreshable: false },
    });
    expect(stderr).toContain('it cannot be refreshed: its refresh lacks token_endpoint, client_id');
    expect(root.json(READONLY)).toMatchObject({
      access_token: 'made-up-access',
      refresh_token: 'made-up-refresh',
      team: 7,
    });
    expect(root.mode(READONLY)).toBe(0o600);
    expect(stdout + stderr + root.text('token_refresher.log')).not.toContain('made-up');
    expect((await run(root.path, ['token', 'readonly'])).stdout).toBe('made-up-access\n');
  });

  test.each([
    ['of a server, into its own file', 'thing', '.oauth-tokens/acme-thing-egress.json'],
    ['of a token that has a file, into that', 'other', '.oauth-tokens/other-token.json'],
    ['of anything else, into a mode', 'admin', '.mcp_tokens_admin.json'],
  ])('a token %s', async (_what, name, file) => {
    const root = new Root();
    define(root, 'thing.json', { ...open('thing'), auth_type: 'oauth', auth_provider: 'acme' });
    root.write('.oauth-tokens/other-token.json', {
      access_token: 'made-up-old',
      note: 'kept',
      expires_at: '2025-01-01T00:00:00',
    });
    const { code } = await piped(
      root,
      ['setup', '--name', name, '--json'],
      '{"accessToken": "made-up-new", "expiresIn": "600"}',
    );
    expect(code).toBe(0);
    expect(root.json(file).access_token).toBe('made-up-new');
    if (name === 'other')
      expect(root.json(file)).toMatchObject({
        note: 'kept',
        expires_at: expect.stringMatching(/^20\d\d-\d\d-\d\dT[\d:]{8}$/),
      });
    if (name === 'thing') expect((await run(root.path, ['headers', 'thing'])).stdout).toContain('made-up-new');
  });

  test.each([
    ['no JSON', 'made-up-secret', /standard input: .*nothing was written/],
    ['a list', '["made-up-secret"]', /must be a JSON object/],
    ['no token', '{"expires_in": 5, "password": "made-up-secret"}', /\/access_token: is missing/],
    [
      'a time that is none',
      '{"access_token": "made-up-secret", "expires_in": "soon"}',
      /\/expires_in: .*nothing was written/,
    ],
    ['an expired JWT alone', JSON.stringify({ access_token: jwt(1_700_000_000) }), /expired already/],
  ])('%s is refused in one line that shows nothing of it', async (_what, input, reason) => {
    const root = new Root();
    const { code, stdout, stderr } = await piped(root, ['setup', '--name', 'readonly', '--json'], input);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr.trim().split('\n')).toEqual([expect.stringMatching(reason)]);
    expect(stderr).not.toContain('made-up');
    expect(root.has(READONLY)).toBe(false);
  });

  const STORE = {
    acme: { tokens: { accessToken: 'made-up-of-acme', expiresAt: 1_893_456_000 }, serverUrl: 'https://acme.test/mcp' },
    thing: {
      tokens: { accessToken: 'made-up-of-thing', expiresAt: 1_893_456_000 },
      serverUrl: 'https://thing.test/mcp',
    },
  };

  test("of another tool's store with several servers, this server's token is taken", async () => {
    const root = new Root();
    const file = '.oauth-tokens/acme-thing-egress.json';
    define(root, 'thing.json', { ...open('thing'), auth_type: 'oauth', auth_provider: 'acme' });
    const { code } = await piped(root, ['setup', '--name', 'thing', '--json'], JSON.stringify(STORE));
    expect(code).toBe(0);
    expect(root.json(file).access_token).toBe('made-up-of-thing');
    expect(root.text(file)).not.toContain('made-up-of-acme');
  });

  test("never another server's: it is refused, and the names there are said", async () => {
    const root = new Root();
    define(root, 'else.json', { ...open('else'), auth_type: 'oauth' });
    const { code, stdout, stderr } = await piped(root, ['setup', '--name', 'else', '--json'], JSON.stringify(STORE));
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(
      /holds tokens of "acme", "thing", and nothing says which is for else;.*nothing was written\n$/,
    );
    expect(stderr).not.toContain('made-up');
    expect(root.has('.oauth-tokens')).toBe(false);
  });

  test.each([
    [
      'beside the answer',
      { payload: { access_token: 'made-up', expires_in: 3600 }, expires_at: '2030-01-01T00:00:00Z' },
    ],
    ['beside a lifetime', { access_token: 'made-up', expires_in: 3600, expires_at: '2030-01-01T00:00:00Z' }],
    ['since when', { access_token: 'made-up', expires_in: 3600, saved_at: '2029-12-31T23:00:00Z' }],
  ])('the time that is written counts, not the lifetime from now: %s', async (what, input) => {
    const root = new Root();
    const { code, stdout } = await piped(root, ['setup', '--name', 'readonly', '--json'], JSON.stringify(input));
    expect(code).toBe(0);
    const { expires_at } = JSON.parse(stdout);
    // What was obtained later than now cannot have been.
    if (what === 'since when') expect(Math.abs(expires_at - Date.now() / 1000 - 3600)).toBeLessThan(600);
    else expect(expires_at).toBe(Date.parse('2030-01-01T00:00:00Z') / 1000);
  });

  test.each([
    [['setup'], 'setup asks on a terminal'],
    [['setup', '--json'], 'needs one --name'],
    [['setup', '--json', '--name', '../evil'], 'cannot be a file'],
  ])('%j is a usage error', async (args, reason) => {
    const { code, stderr } = await piped(new Root(), args, '{}');
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(reason) });
  });
});

describe.skipIf(!hasTerminals)('on a terminal', () => {
  test('asks mode by mode, shows nothing of what is typed, and says what happens next', async () => {
    const root = new Root();
    const terminal = Terminal.ofProgram(root, ['setup']);
    await terminal.answers('readonly: would be kept in .mcp_tokens_readonly.json', 'Bearer made-up-access');
    await terminal.answers('refresh token', '  made-up-refresh ');
    await terminal.answers('expires in, seconds', 'soon');
    await terminal.answers('that is not a number of seconds', '3600');
    await terminal.sees('readonly: kept in .mcp_tokens_readonly.json, expires in 60 minutes');
    await terminal.answers('admin: would be kept in .mcp_tokens_admin.json', 'skip');
    await terminal.sees('Next: token-refresher keeps them fresh');
    expect(await terminal.ended).toMatchObject({ code: 0 });
    expect(terminal.screen).not.toContain('made-up');
    expect(root.json(READONLY)).toMatchObject({ access_token: 'made-up-access', refresh_token: 'made-up-refresh' });
    expect(root.has('.mcp_tokens_admin.json')).toBe(false);
  });

  test('understands a JSON object over many lines, as MCP Inspector shows it', async () => {
    const root = new Root();
    const terminal = Terminal.ofProgram(root, ['setup', '--name', 'readonly']);
    const exp = Math.floor(Date.now() / 1000) + 7200;
    const blob = JSON.stringify(
      { access_token: jwt(exp), refresh_token: 'made-up-refresh', expires_in: 60, scope: 'read' },
      null,
      2,
    );
    await terminal.answers('access token', blob.replaceAll('\n', '\r'));
    await terminal.sees('it says itself that it expires in 2 hours');
    expect(await terminal.ended).toMatchObject({ code: 0 });
    expect(terminal.screen).not.toContain('made-up');
    expect(root.json(READONLY)).toMatchObject({
      access_token: jwt(exp),
      refresh_token: 'made-up-refresh',
      expires_at: exp,
      scope: 'read',
    });
  });

  test.each(['made-up-first-\rhalf-and-\rsecond\r', 'made-up-first-\rhalf-and-\rsecond'])(
    'joins a token that was pasted over several lines: %j',
    async (paste) => {
      const root = new Root();
      const terminal = Terminal.ofProgram(root, ['setup', '--name', 'readonly']);
      await terminal.sees('access token');
      terminal.type(paste);
      if (!paste.endsWith('\r')) terminal.type('\r');
      await terminal.answers('refresh token', '');
      await terminal.answers('expires in, seconds', '');
      expect(await terminal.ended).toMatchObject({ code: 0 });
      expect(root.json(READONLY).access_token).toBe('made-up-first-half-and-second');
    },
  );

  test('tests a token against its server; one that is refused is kept only if the person wants it', async () => {
    const root = new Root();
    const heard: string[] = [];
    const server = createServer((request, response) => {
      heard.push(request.headers.authorization ?? '');
      response.writeHead(request.headers.authorization === 'Bearer made-up-good' ? 200 : 401).end('{}');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
    define(root, 'thing.json', { ...open('thing'), mcp_endpoint: url, auth_type: 'oauth', auth_provider: 'acme' });
    for (const [token, keeps] of [
      ['made-up-bad', false],
      ['made-up-good', true],
    ] as const) {
      const terminal = Terminal.ofProgram(root, ['setup']);
      await terminal.answers('access token', token);
      await terminal.answers('refresh token', '');
      await terminal.answers('expires in, seconds', '');
      await terminal.answers('test it against 127.0.0.1', 'y');
      if (keeps) await terminal.sees('the server takes it');
      else await terminal.answers('refuses it (HTTP 401); keep it all the same?', '');
      expect(await terminal.ended).toMatchObject({ code: 0 });
      expect(root.has('.oauth-tokens/acme-thing-egress.json')).toBe(keeps);
    }
    expect(heard).toEqual(['Bearer made-up-bad', 'Bearer made-up-good']);
  });

  test.each(['access token', 'refresh token', 'expires in, seconds'])(
    'Ctrl-C at "%s" writes nothing',
    async (question) => {
      const root = new Root();
      const terminal = Terminal.ofProgram(root, ['setup', '--name', 'readonly']);
      for (const before of ['access token', 'refresh token', 'expires in, seconds']) {
        await terminal.sees(before);
        if (before === question) break;
        terminal.type('made-up-something\r');
      }
      terminal.type(CTRL_C);
      await terminal.sees('given up; nothing was written');
      expect(await terminal.ended).toMatchObject({ code: 1 });
      expect(root.has(READONLY)).toBe(false);
    },
  );
});
