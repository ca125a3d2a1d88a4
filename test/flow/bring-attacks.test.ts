import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { FaultServer, said } from '../fixtures/fault-server.js';
import { BARE, follow, run, SCRIPT, start, until } from '../fixtures/program.js';
import { define, open } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';
import { MOUNTS, SmallRoot } from '../fixtures/small-root.js';
import { CTRL_C, hasTerminals, Terminal } from '../fixtures/terminal.js';

const READONLY = '.mcp_tokens_readonly.json';
const STORE = '.kroger_tokens.json';
const LATER = 4_000_000_000;
const GIVEN = {
  KROGER_USER_ACCESS_TOKEN: 'made-up-env-access',
  KROGER_USER_REFRESH_TOKEN: 'made-up-env-refresh',
  KROGER_USER_TOKEN_EXPIRES_AT: String(LATER),
};

function piped(root: Root, input: string, name = 'readonly') {
  const args = [SCRIPT, 'setup', '--name', name, '--json'];
  const child = spawn(process.execPath, args, { cwd: root.path, env: BARE, stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.end(input);
  return follow(child).ended;
}

function jwt(claims: object, length = 0): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none' })}.${part({ ...claims, padding: 'x'.repeat(length) })}.made-up`;
}

describe('import-env', () => {
  test.each<[string, string | object]>([
    ['a list', [{ access_token: 'made-up-precious' }]],
    ['broken', '{"user_tokens": {"user_default": {"access_token": "made-up-precious"'],
    ['empty', ''],
    ['a list of users', { user_tokens: [{ access_token: 'made-up-precious', refresh_token: 'made-up-only' }] }],
    ['a user that is a text', { user_tokens: { user_default: 'made-up-precious' } }],
    ['one token and no store', { access_token: 'made-up-precious', refresh_token: 'made-up-only' }],
  ])('a store that is %s is left as it is, and said', async (_what, content) => {
    const root = new Root().write(STORE, content);
    const before = root.text(STORE);
    const { code, stderr } = await run(root.path, ['import-env'], GIVEN);
    expect(root.text(STORE)).toBe(before);
    expect(code).toBe(1);
    expect(stderr.trim().split('\n')).toEqual([expect.stringMatching(/^kroger:user_default .*failed: /)]);
    expect(stderr).not.toContain('made-up');
  });

  test.each([
    ['quotes', '"made-up-token"'],
    ['white space', '\t made-up-token \r\n'],
    ['a line break', 'made-up-\n  token'],
    ['Bearer', 'Bearer made-up-token'],
    ['quotes of another kind', "'made-up-token'"],
  ])('a token with %s around it is taken without', async (_what, value) => {
    const root = new Root();
    const given = { KROGER_USER_ACCESS_TOKEN: value, KROGER_USER_REFRESH_TOKEN: value };
    expect(await run(root.path, ['import-env'], given)).toMatchObject({ code: 0 });
    const { access_token, refresh_token } = root.json(STORE).user_tokens.user_default;
    expect([access_token, refresh_token]).toEqual(['made-up-token', 'made-up-token']);
  });

  test.each(['__proto__', 'constructor', 'a/b~c', 'a.b', '0'])('a user called %s', async (user) => {
    const root = new Root().write(STORE, { user_tokens: { other: { access_token: 'made-up-other' } }, note: 1 });
    const given = { ...GIVEN, KROGER_HARDCODED_USER_ID: user };
    expect(await run(root.path, ['import-env'], given)).toMatchObject({ code: 0 });
    const users = root.json(STORE).user_tokens;
    expect(Object.keys(users).sort()).toEqual(['other', user].sort());
    expect((await run(root.path, ['token', `kroger:${user}`])).stdout).toBe('made-up-env-access\n');
  });

  test('a provider that is called as an output does not write into that', async () => {
    const root = new Root();
    root.write('registry/providers/mcp.json', {
      provider: 'mcp',
      token_endpoint: 'https://login.test/token',
      environment: { access_token: 'MCP_ACCESS' },
    });
    const { code, stderr } = await run(root.path, ['import-env'], { MCP_ACCESS: 'made-up-access' });
    expect(code).toBe(1);
    expect(stderr).toContain('.oauth-tokens/mcp.json is an output');
    expect(root.has('.oauth-tokens/mcp.json')).toBe(false);
  });

  test('two at once, and a daemon beside them, move each token once', async () => {
    const root = new Root().write(STORE, { user_tokens: { other: { access_token: 'made-up-other' } } });
    const all = await Promise.all([
      run(root.path, ['import-env'], GIVEN),
      run(root.path, ['import-env'], GIVEN),
      run(root.path, ['--once'], GIVEN),
    ]);
    expect(all[0]?.code).toBe(0);
    expect(all[1]?.code).toBe(0);
    expect(Object.keys(root.json(STORE).user_tokens)).toEqual(['other', 'user_default']);
    expect(root.text('token_refresher.log').match(/: moved kroger:user_default there/g)).toHaveLength(1);
  });
});

describe('tokens that are brought', () => {
  const KEPT = { access_token: 'made-up-good', refresh_token: 'made-up-good-refresh', expires_at: LATER };

  test.each<[string, string | object, RegExp]>([
    ['with a line break that JSON hides', { access_token: 'made-up\u0000x' }, /\/access_token: /],
    ['with letters of no header', { access_token: 'made-up-tökén' }, /\/access_token: /],
    ['that a client would expand', { access_token: 'made-up-${HOME}' }, /\/access_token: /],
    ['whose refresh token is a number', { access_token: 'made-up', refresh_token: 7 }, /\/refresh_token: /],
    ['that is a store', { access_token: 'made-up', user_tokens: {} }, /another kind/],
    ['twice', '{"access_token": "made-up-a", "access_token": "made-up-b"}', /twice/],
    ['of nothing but Bearer', { access_token: 'Bearer ' }, /\/access_token: /],
    ['in UTF-16', Buffer.from('\ufeff{"access_token": "made-up"}', 'utf16le').toString('latin1'), /standard input: /],
    ['far too deep', `{"access_token": "made-up", "a": ${'['.repeat(100_000)}${']'.repeat(100_000)}}`, /./],
  ])('%s: refused in one line, and what is there stays', async (_what, input, reason) => {
    const root = new Root().write(READONLY, KEPT);
    const { code, stdout, stderr } = await piped(root, typeof input === 'string' ? input : JSON.stringify(input));
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr.trim().split('\n')).toEqual([expect.stringMatching(reason)]);
    expect(stderr).not.toContain('made-up');
    expect(root.json(READONLY)).toEqual(KEPT);
  });

  test.each<[string, object]>([
    ['that ends in milliseconds', { access_token: jwt({ exp: 1_999_999_999_000 }) }],
    ['that never ends', { access_token: 'made-up-new', expires_in: 1e300 }],
    ['that ends in a time with a comma', { access_token: 'made-up-new', expires_at: '2099-01-01 00:00:00,5' }],
    ['with Windows line ends', { access_token: 'made-up-new\r\n', refresh_token: '\r\nmade-up-r\r\n' }],
  ])('%s: the file can be read afterwards', async (_what, input) => {
    const root = new Root().write(READONLY, KEPT);
    expect(await piped(root, JSON.stringify(input, null, 2).replaceAll('\n', '\r\n'))).toMatchObject({ code: 0 });
    const { code, stdout, stderr } = await run(root.path, ['token', 'readonly']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.trim()).toBe(root.json(READONLY).access_token);
    expect(stdout.trim()).toBe(Object(input).access_token.trim());
  });

  test.each<[string, string | object]>([
    ['broken', '{"access_token": "made-up-precious"'],
    ['a store', { user_tokens: { anna: { access_token: 'made-up-precious' } } }],
    ['a list', ['made-up-precious']],
  ])('over a file that is %s: refused, and it stays', async (_what, content) => {
    const root = new Root().write(READONLY, content);
    const before = root.text(READONLY);
    const { code, stderr } = await piped(root, '{"access_token": "made-up-new"}');
    expect(root.text(READONLY)).toBe(before);
    expect(code).toBe(1);
    expect(stderr).toContain('nothing was written');
    expect(stderr).not.toContain('made-up');
  });

  test('whose definition would lead out of the root: refused', async () => {
    const root = new Root();
    define(root, 'thing.json', { ...open('thing'), auth_type: 'oauth', token: '/../../evil' });
    const { code, stderr } = await piped(root, '{"access_token": "made-up-new"}', 'thing');
    expect(code).toBe(1);
    expect(stderr).toContain("is no file of this root's");
  });

  test('over a folder, and where nobody may write', async () => {
    const root = new Root();
    mkdirSync(root.full(READONLY));
    const { code, stderr } = await piped(root, '{"access_token": "made-up-new"}');
    expect(code).toBe(1);
    expect(stderr.trim().split('\n')).toEqual([
      expect.stringMatching(/tokens_readonly\.json is .*nothing was written$/),
    ]);
  });

  test.skipIf(!MOUNTS).each<[string, (root: SmallRoot) => void, RegExp]>([
    ['full', (root) => root.fill(), /disk is full/],
    ['read-only', (root) => root.setReadOnly(true), /read-only/],
  ])('on a disk that is %s: said in one line, and what is there stays', async (_what, begin, reason) => {
    const root = new SmallRoot();
    root.write(READONLY, KEPT);
    root.write(STORE, { user_tokens: { other: { access_token: 'made-up-other' } } });
    begin(root);
    const { code, stderr } = await piped(root, '{"access_token": "made-up-new"}');
    expect(code).toBe(1);
    expect(stderr.trim().split('\n')).toEqual([expect.stringMatching(reason)]);
    const env = await run(root.path, ['import-env'], GIVEN);
    expect(env.code).toBe(1);
    expect(env.stderr.trim().split('\n')).toEqual([expect.stringMatching(reason)]);
    expect(root.json(READONLY)).toEqual(KEPT);
    expect(root.json(STORE).user_tokens).toEqual({ other: { access_token: 'made-up-other' } });
  });

  test('that are on disk are not said to be lost because the journal cannot be written', async () => {
    const root = new Root();
    root.write('.token-refresher', 'no folder');
    const { code, stdout, stderr } = await piped(root, '{"access_token": "made-up-new"}');
    expect(root.json(READONLY).access_token).toBe('made-up-new');
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringContaining('nothing was written') });
    expect(JSON.parse(stdout)).toMatchObject({ name: 'readonly' });
  });

  test('while a daemon is refreshing the very token: both are over, and the brought one stays', async () => {
    const root = new Root();
    const server = await FaultServer.start();
    server.delay = 300;
    root.write('.oauth-tokens/thing.json', server.file());
    start(root.path);
    await until(() => server.asked.length > 0, 'a refresh under way');
    const { code } = await piped(
      root,
      '{"access_token": "made-up-brought", "refresh_token": "made-up-r", "expires_in": 99999}',
      'thing',
    );
    expect(code).toBe(0);
    expect(root.json('.oauth-tokens/thing.json')).toMatchObject({
      access_token: 'made-up-brought',
      refresh_token: 'made-up-r',
    });
    expect(server.asked).toHaveLength(1);
  });

  test('killed at any moment: the file is the old one or the new one', async () => {
    const root = new Root().write(READONLY, KEPT);
    for (let n = 0; n < 12; n += 1) {
      const args = [SCRIPT, 'setup', '--name', 'readonly', '--json'];
      const child = spawn(process.execPath, args, { cwd: root.path, env: BARE, stdio: ['pipe', 'pipe', 'pipe'] });
      const { ended } = follow(child);
      const began = root.text(READONLY);
      child.stdin.end(JSON.stringify({ access_token: `made-up-${n}`, refresh_token: `made-up-r-${n}` }));
      if (n % 2 === 0) await until(() => root.text(READONLY) !== began || child.exitCode !== null, 'a change');
      else await until(() => root.has('.oauth-tokens/.locks') || child.exitCode !== null, 'a lock');
      child.kill('SIGKILL');
      await ended;
      const { access_token, refresh_token } = root.json(READONLY);
      expect(refresh_token.replace(/\D/g, '')).toBe(access_token.replace(/\D/g, ''));
    }
    expect(await piped(root, '{"access_token": "made-up-last"}')).toMatchObject({ code: 0 });
    expect(root.json(READONLY).access_token).toBe('made-up-last');
  });
});

describe('wanted tokens', () => {
  const CREDENTIALS = { ACME_ID: 'client-1', ACME_SECRET: 'made-up-client-secret' };

  async function scene(name: string) {
    const root = new Root();
    const server = await FaultServer.start();
    root.write('registry/providers/acme.json', {
      provider: 'acme',
      token_endpoint: server.url,
      token_endpoint_auth_method: 'client_secret_post',
      environment: { client_id: 'ACME_ID', client_secret: 'ACME_SECRET', username: 'ACME_USER', password: 'ACME_PASS' },
    });
    root.write('registry/tokens/one.json', { name, provider: 'acme', grant_type: 'client_credentials' });
    define(root, 'open.json', open('open'));
    return { root, server };
  }

  test.each(['mcp', 'vscode_mcp', 'gemini_mcp'])('called as the output %s.json: refused', async (name) => {
    const { root, server } = await scene(name);
    for (let n = 0; n < 2; n += 1) {
      const { code } = await run(root.path, ['--once'], CREDENTIALS);
      expect(code).toBe(1);
    }
    expect(server.asked).toHaveLength(0);
    expect(root.text('.oauth-tokens/mcp.json')).not.toContain('made-up');
    const { problems } = JSON.parse((await run(root.path, ['status', '--json'], CREDENTIALS)).stdout);
    expect(problems).toMatchObject([{ file: 'registry/tokens/one.json', pointer: '/name' }]);
  });

  test.each<[string, object]>([
    [
      "a person's token of another provider",
      { provider: 'other', access_token: 'made-up-a', refresh_token: 'made-up-r', expires_at: 1 },
    ],
    ['a store', { user_tokens: { anna: { access_token: 'made-up-a', expires_at: LATER } } }],
  ])('whose file holds %s: refused, and it stays', async (_what, content) => {
    const { root, server } = await scene('machine');
    root.write('.oauth-tokens/machine.json', content);
    const before = root.text('.oauth-tokens/machine.json');
    await run(root.path, ['--once'], CREDENTIALS);
    expect(root.text('.oauth-tokens/machine.json')).toBe(before);
    expect(server.asked).toHaveLength(0);
    const { problems } = JSON.parse((await run(root.path, ['status', '--json'], CREDENTIALS)).stdout);
    expect(problems).toMatchObject([{ file: 'registry/tokens/one.json', pointer: '/name' }]);
  });

  test.each([
    ['HTTP 401 without a reason', said('no', { status: 401 })],
    ['HTTP 403 and a page', said('<html>no</html>', { status: 403, type: 'text/html' })],
    ['a code of its own', said('{"error": "bad_password"}', { status: 400 })],
  ])('a password that is refused by %s is not sent again', async (_what, behaviour) => {
    const { root, server } = await scene('machine');
    root.write('registry/tokens/one.json', { name: 'machine', provider: 'acme', grant_type: 'password' });
    server.next.push(behaviour, behaviour, behaviour);
    const environment = { ...CREDENTIALS, ACME_USER: 'someone', ACME_PASS: 'made-up-password' };
    await run(root.path, ['--once'], environment);
    // As if hours had gone by.
    const attempts = '.token-refresher/attempts/machine.json';
    const history = root.json(attempts);
    if (history.verdict?.retryAt) root.write(attempts, { ...history, verdict: { ...history.verdict, retryAt: 1 } });
    await run(root.path, ['--once'], environment);
    expect(server.asked).toHaveLength(1);
  });
});

describe.skipIf(!hasTerminals)('setup on a terminal', () => {
  test.each([8, 32])(
    'a JWT of %d KB, pasted at once',
    async (kilobytes) => {
      const root = new Root();
      const token = jwt({ exp: LATER }, kilobytes * 768);
      const terminal = Terminal.ofProgram(root, ['setup', '--name', 'readonly']);
      await terminal.answers('access token', token);
      await terminal.answers('refresh token', token);
      expect(await terminal.ended).toMatchObject({ code: 0 });
      expect(root.json(READONLY)).toMatchObject({ access_token: token, refresh_token: token });
      expect(terminal.screen).not.toContain(token.slice(100, 120));
    },
    30_000,
  );

  test('a long JSON object at the question for the refresh token is understood, and not shown', async () => {
    const root = new Root();
    const terminal = Terminal.ofProgram(root, ['setup', '--name', 'readonly']);
    await terminal.answers('access token', 'made-up-access');
    const blob = JSON.stringify(
      { id_token: 'made-up'.repeat(2000), refresh_token: 'made-up-refresh', scope: 'read' },
      null,
      2,
    );
    await terminal.answers('refresh token', blob.replaceAll('\n', '\r'));
    await terminal.answers('expires in', '');
    expect(await terminal.ended).toMatchObject({ code: 0 });
    expect(root.json(READONLY)).toMatchObject({ access_token: 'made-up-access', refresh_token: 'made-up-refresh' });
    expect(terminal.screen).not.toContain('made-up');
  });

  test.each(['[{"access_token": "made-up"}]', 'tökén', '\u200b', 'Bearer'])('%s is no token', async (text) => {
    const root = new Root();
    const terminal = Terminal.ofProgram(root, ['setup', '--name', 'readonly']);
    await terminal.answers('access token', text);
    await terminal.sees('that holds no token');
    await terminal.answers('access token', 'skip');
    expect(await terminal.ended).toMatchObject({ code: 0 });
    expect(root.has(READONLY)).toBe(false);
  });

  test.each([
    'Authorization: Bearer made-up-token',
    '"Authorization": "Bearer made-up-token",',
    '"access_token": "made-up-token",',
    'Bearer "made-up-token"',
    '\ufeff made-up-\u200btoken\u00a0',
  ])('%s is understood', async (text) => {
    const root = new Root();
    const terminal = Terminal.ofProgram(root, ['setup', '--name', 'readonly']);
    await terminal.answers('access token', text);
    await terminal.answers('refresh token', '');
    await terminal.answers('expires in', '');
    expect(await terminal.ended).toMatchObject({ code: 0 });
    expect(root.json(READONLY).access_token).toBe('made-up-token');
  });

  test('a file that changes while it asks is not overwritten with what it was', async () => {
    const root = new Root().write(READONLY, { access_token: 'made-up-1', refresh_token: 'made-up-r1' });
    const terminal = Terminal.ofProgram(root, ['setup', '--name', 'readonly']);
    await terminal.answers('access token', 'made-up-new');
    root.write(READONLY, { access_token: 'made-up-2', refresh_token: 'made-up-r2', note: 'kept' });
    await terminal.answers('refresh token', '');
    await terminal.answers('expires in', '');
    expect(await terminal.ended).toMatchObject({ code: 0 });
    expect(root.json(READONLY)).toMatchObject({
      access_token: 'made-up-new',
      refresh_token: 'made-up-r2',
      note: 'kept',
    });
  });

  test('Ctrl-C in the midst of a paste writes nothing', async () => {
    const root = new Root();
    const terminal = Terminal.ofProgram(root, ['setup', '--name', 'readonly']);
    await terminal.answers('access token', '{"access_token": "made-up-a",');
    terminal.type(CTRL_C);
    await terminal.sees('given up; nothing was written');
    expect(await terminal.ended).toMatchObject({ code: 1 });
    expect(root.has(READONLY)).toBe(false);
  });
});

test('a token file far too deep stops nothing else', async () => {
  const root = new Root();
  define(root, 'open.json', open('open'));
  root.write('.oauth-tokens/deep.json', `{"access_token": "x", "a": ${'['.repeat(100_000)}${']'.repeat(100_000)}}`);
  const { code, stderr } = await run(root.path, ['--once']);
  expect(code).toBe(1);
  expect(stderr).toMatch(/deep\.json/);
  expect(root.json('.oauth-tokens/mcp.json').mcpServers).toHaveProperty('open');
});
