import { spawnSync } from 'node:child_process';
import { readFileSync, readlinkSync, symlinkSync } from 'node:fs';
import { parse as parseToml } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import { run } from '../fixtures/program.js';
import { define, GATEWAY, leaks, listing, open, realShape, SECRETS } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';

const JSON_OUTPUTS = ['mcp.json', 'vscode_mcp.json', 'roo_mcp.json', 'cline_mcp.json', 'gemini_mcp.json'];
const ALL = [...JSON_OUTPUTS, 'codex_mcp.toml', 'opencode_mcp.json'];
/** As a user who says nothing of a delivery. */
const BY_DEFAULT = { TOKEN_DELIVERY: '' };
const REMOTE = ['--registry-url', GATEWAY, '--outputs', ALL.join()];

const TOKEN_FILE = '.oauth-tokens/atlassian-tracker-egress.json';

async function rendered(prepare: (root: Root) => void = () => undefined) {
  const root = realShape(new Root());
  define(root, 'open.json', { ...open('open'), proxy_pass_url: 'http://open.test/', path: '/open' });
  define(root, 'tool.json', { path: '/tool', command: 'tool-server', args: ['-x'], env: { KEY: '$TOOL_KEY' } });
  prepare(root);
  const { code, stderr } = await run(root.path, ['--once', ...REMOTE], { ...BY_DEFAULT, TOOL_KEY: 'made-up-tool-key' });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return root;
}

const output = (root: Root, name: string): string => root.text(`.oauth-tokens/${name}`);

describe('live, the default', () => {
  it('holds no secret in any output, and none of them changes when a token does', async () => {
    const root = await rendered();
    const texts = ALL.map((name) => output(root, name));
    expect(leaks(texts.join('\n'), [...Object.values(SECRETS), 'made-up-tool-key'])).toEqual([]);
    expect(texts.join('\n')).not.toMatch(/Authorization|Bearer/);
    root.write(TOKEN_FILE, { ...root.json(TOKEN_FILE), access_token: 'another-invented-token' });
    const before = listing(root);
    await run(root.path, ['--once', ...REMOTE], { ...BY_DEFAULT, TOOL_KEY: 'made-up-tool-key' });
    const after = listing(root);
    expect(ALL.filter((name) => before[`.oauth-tokens/${name}`] !== after[`.oauth-tokens/${name}`])).toEqual([]);
  });

  it('calls the bridge by absolute paths, with the root and the registry URL', async () => {
    const root = await rendered();
    const script = expect.stringMatching(/^\/.*\/dist\/main\.cjs$/);
    const called = (key: string) => [script, '--root', root.path, '--registry-url', GATEWAY, 'bridge', key];
    const env = { MCP_SERVER_URL: `${GATEWAY}/tracker/mcp` };
    const entry = { command: process.execPath, args: called('tracker'), env };
    for (const name of JSON_OUTPUTS) {
      const { mcpServers, servers } = JSON.parse(output(root, name));
      expect((mcpServers ?? servers).tracker, name).toEqual(
        name === 'vscode_mcp.json' ? { type: 'stdio', ...entry } : entry,
      );
      // A command whose environment is secret is run by the bridge, too.
      expect((mcpServers ?? servers).tool, name).toMatchObject({ args: called('tool'), env: {} });
    }
    expect(JSON.parse(output(root, 'opencode_mcp.json')).mcp.tracker).toEqual({
      type: 'local',
      command: [process.execPath, ...called('tracker')],
      environment: env,
    });
    const codex = parseToml(output(root, 'codex_mcp.toml')) as { mcp_servers: Record<string, object> };
    expect(codex.mcp_servers.tracker).toEqual({
      url: env.MCP_SERVER_URL,
      http_headers_helper: expect.stringMatching(/main\.cjs --root \S+ --registry-url \S+ headers tracker$/),
    });
  });

  it('leaves a server without a secret what it is', async () => {
    const root = new Root();
    define(root, 'open.json', open('open'));
    await run(root.path, ['--once'], BY_DEFAULT);
    expect(root.json('.oauth-tokens/mcp.json').mcpServers).toEqual({
      open: { type: 'http', url: 'http://open.test/mcp' },
    });
  });

  it('a command whose environment is secret is run by the bridge, with it, in its place', async () => {
    const root = new Root();
    const script = 'echo "$KEY $PLAIN"; exit 7';
    define(root, 'tool.json', {
      path: '/tool',
      command: 'sh',
      args: ['-c', script],
      env: { KEY: '$TOOL_KEY', PLAIN: 'p' },
    });
    const environment = { ...BY_DEFAULT, TOOL_KEY: 'made-up-tool-key' };
    expect(await run(root.path, ['bridge', 'tool'], environment)).toMatchObject({
      code: 7,
      stdout: 'made-up-tool-key p\n',
      stderr: '',
    });
    define(root, 'gone.json', { path: '/gone', command: 'not-a-command', args: [], env: { KEY: '$TOOL_KEY' } });
    expect(await run(root.path, ['bridge', 'gone'], environment)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/server gone: not-a-command cannot be run/),
    });
  });

  it('calls itself by paths with blanks and letters beyond ASCII', async () => {
    const place = "prüf stand's";
    const root = new Root();
    const headers = [{ 'X-API-Key': '$THING_KEY' }];
    const definition = { path: '/x', mcp_endpoint: 'http://x.test/mcp', auth_type: 'api_key', headers };
    root.write(`${place}/registry/servers/x.json`, definition);
    const outputs = ['--once', '--outputs', 'mcp.json,codex_mcp.toml'];
    await run(root.full(place), outputs, { ...BY_DEFAULT, THING_KEY: 'made-up-key' });
    const codex = parseToml(root.text(`${place}/.oauth-tokens/codex_mcp.toml`)) as { mcp_servers: { x: object } };
    const { command, args } = root.json(`${place}/.oauth-tokens/mcp.json`).mcpServers.x;
    const { http_headers_helper: line } = codex.mcp_servers.x as { http_headers_helper: string };
    const options = { env: { THING_KEY: 'made-up-key' }, encoding: 'utf8', cwd: '/' } as const;
    const said = [
      spawnSync('/bin/sh', ['-c', line], options).stdout,
      spawnSync(command, [...args.slice(0, -2), 'headers', 'x'], options).stdout,
    ];
    expect(said).toEqual(Array(2).fill('{"X-API-Key":"made-up-key"}\n'));
  });

  it('takes flags before the command as after it', async () => {
    const root = new Root();
    define(root, 'open.json', open('open'));
    const { code, stdout } = await run(root.path, ['--log-file', '-', '--allow-http', 'headers', 'open']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '{}\n' });
  });

  it('gives its headers to no client that has another origin for the server', async () => {
    const root = realShape(new Root());
    const at = (url: string) =>
      run(root.path, ['headers', 'tracker', '--registry-url', GATEWAY], { CLAUDE_CODE_MCP_SERVER_URL: url });
    expect(await at('http://elsewhere.test/tracker/mcp')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/its headers are not for elsewhere\.test/),
    });
    expect((await at(`${GATEWAY}/tracker/mcp`)).stdout).toContain(SECRETS.tracker);
    expect((await at('')).stdout).toContain(SECRETS.tracker);
  });

  it('repeats the registry URL only where it came as a flag', async () => {
    const root = realShape(new Root());
    await run(root.path, ['--once'], { ...BY_DEFAULT, REGISTRY_URL: GATEWAY });
    const { args } = root.json('.oauth-tokens/mcp.json').mcpServers.tracker;
    expect(args.slice(1)).toEqual(['--root', root.path, 'bridge', 'tracker']);
  });
});

describe('validate proves that no output of live holds a token', () => {
  const validate = (root: Root) => run(root.path, ['validate', ...REMOTE], { ...BY_DEFAULT, TOOL_KEY: 'made-up-key' });

  it('has nothing to say of what the program renders', async () => {
    const root = await rendered();
    for (const name of ALL) expect(root.has(`.oauth-tokens/${name}`), name).toBe(true);
    const { code, stdout } = await validate(root);
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.not.stringMatching(/holds/) });
  });

  it.each([
    [
      'the output as another delivery left it',
      '.oauth-tokens/mcp.json',
      SECRETS.tracker,
      'the access token of atlassian-tracker',
    ],
    [
      'a refresh token in it',
      '.oauth-tokens/mcp.json',
      SECRETS.trackerRefresh,
      'the refresh token of atlassian-tracker',
    ],
    [
      'a template of the user',
      'templates/live/mine.json.hbs',
      SECRETS.ops,
      'the access token of bedrock-agentcore-ops-gateway',
    ],
  ])('finds %s', async (_, file, secret, whose) => {
    const root = await rendered();
    root.write(file, `{"a": "${secret}"}`);
    const { code, stdout } = await validate(root);
    expect(code).toBe(1);
    expect(stdout).toMatch(new RegExp(`^${file.replaceAll('.', '\\.')}: .*holds ${whose}`, 'm'));
    expect(leaks(stdout)).toEqual([]);
  });
});

describe('link', () => {
  const link = (root: Root, ...args: string[]) =>
    run(root.path, ['link', ...args], { ...BY_DEFAULT, HOME: root.full('home') });

  it('makes the files of clients relative links to the outputs, also in a folder of their own', async () => {
    const root = await rendered();
    root.write('app/.keep', '');
    const { code, stderr } = await link(root, 'claude', 'vscode', 'cursor', 'roo', '--project', 'app');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(readlinkSync(root.full('app/.mcp.json'))).toBe('../.oauth-tokens/mcp.json');
    expect(readlinkSync(root.full('app/.vscode/mcp.json'))).toBe('../../.oauth-tokens/vscode_mcp.json');
    expect(readlinkSync(root.full('app/.cursor/mcp.json'))).toBe('../../.oauth-tokens/mcp.json');
    expect(readFileSync(root.full('app/.roo/mcp.json'), 'utf8')).toBe(output(root, 'roo_mcp.json'));
    expect(await link(root, 'claude', '--project', 'app')).toMatchObject({ code: 0, stderr: '' });
  });

  it('never overwrites what is there, says so, and shows what to merge', async () => {
    const root = await rendered();
    root.write('.vscode/mcp.json', '{"servers": {"mine": {}}}');
    symlinkSync('elsewhere.json', root.full('.mcp.json'));
    const { code, stdout, stderr } = await link(root, 'vscode', 'claude', 'cursor');
    expect(code).toBe(1);
    expect(stderr).toMatch(/\.vscode\/mcp\.json is there already and stays as it is; merge this into it/);
    expect(stderr).toMatch(/\.mcp\.json is there already/);
    expect(stdout).toContain('"servers": {');
    expect(root.text('.vscode/mcp.json')).toBe('{"servers": {"mine": {}}}');
    expect(readlinkSync(root.full('.mcp.json'))).toBe('elsewhere.json');
    expect(readlinkSync(root.full('.cursor/mcp.json'))).toBe('../.oauth-tokens/mcp.json');
  });

  it('shows no secret of what to merge', async () => {
    const root = realShape(new Root());
    root.write('.mcp.json', '{}');
    const { stdout } = await run(root.path, ['link', 'claude', '--registry-url', GATEWAY]);
    expect(stdout).toContain('"Authorization":"[redacted]"');
    expect(leaks(stdout)).toEqual([]);
  });

  it('lists the clients, and whether they are linked', async () => {
    const root = await rendered();
    await link(root, 'claude', 'cline');
    root.write('.cursor/mcp.json', '{}');
    const { clients } = JSON.parse((await link(root, '--list', '--json')).stdout);
    const states = clients.map(({ client, linked, exists }: Record<string, unknown>) => [client, linked, exists]);
    expect(states).toEqual([
      ['claude', true, true],
      ['vscode', false, false],
      ['cursor', false, true],
      ['roo', false, false],
      ['cline', true, true],
      ['copilot', false, false],
      ['gemini', false, false],
      ['codex', false, false],
      ['opencode', false, false],
    ]);
    expect((await link(root, '--list')).stdout).toMatch(/^claude +linked +mcp\.json +\/.*\/\.mcp\.json$/m);
  });

  it.each([
    [['claud'], /there is no client "claud"; did you mean "claude"/],
    [[], /link needs a client: claude, vscode/],
    [['claude', '--project', 'nowhere'], /nowhere is not a folder/],
  ])('%j is a usage error', async (args, told) => {
    const { code, stderr } = await link(new Root(), ...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(told);
  });

  it('refuses a root that is none: the folder of the client is not the root', async () => {
    const root = new Root();
    const { code, stderr } = await link(root, 'claude');
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/neither servers nor tokens.*--root/) });
    expect(root.has('.mcp.json')).toBe(false);
  });

  it('says of an output that is not rendered how to get it', async () => {
    const root = new Root();
    define(root, 'open.json', open('open'));
    await run(root.path, ['--once'], BY_DEFAULT);
    const { code, stderr } = await link(root, 'gemini');
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringMatching(
        /gemini_mcp\.json is not rendered yet; add gemini_mcp\.json to --outputs \(TOKEN_OUTPUTS\)/,
      ),
    });
  });
});
