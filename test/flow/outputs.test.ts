import { mkdirSync } from 'node:fs';
import { parse as parseToml } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import { run } from '../fixtures/program.js';
import {
  DEFINITIONS,
  define,
  egress,
  GATEWAY,
  INGRESS_COGNITO,
  leaks,
  listing,
  open,
  realShape,
  SECRETS,
} from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';

const ALL = 'mcp.json,vscode_mcp.json,roo_mcp.json,cline_mcp.json,gemini_mcp.json,codex_mcp.toml,opencode_mcp.json';
const once = (root: Root, args: readonly string[] = [], environment: Record<string, string> = {}) =>
  run(root.path, ['--once', ...args], environment);
const servers = (root: Root) => root.json('.oauth-tokens/mcp.json').mcpServers;

/** One definition (or several), one cycle, and what stands in mcp.json. */
async function rendered(
  definitions: Record<string, object>,
  args: readonly string[] = [],
  environment: Record<string, string> = {},
) {
  const root = new Root();
  for (const [name, definition] of Object.entries(definitions)) define(root, `${name}.json`, definition);
  const ended = await once(root, args, environment);
  return { root, ended, entries: servers(root) };
}

const KEYCLOAK = {
  'X-Authorization': `Bearer ${SECRETS.ingress}`,
  'X-Client-Id': 'invented-gateway-m2m',
  'X-Keycloak-Realm': 'invented-realm',
  'X-Keycloak-URL': 'https://gateway.test/keycloak',
};
const KEYCLOAK_AGENT = {
  'X-Authorization': `Bearer ${SECRETS.agent}`,
  'X-Client-Id': 'agent-ai-coding-assistant-m2m',
  'X-Keycloak-Realm': 'invented-agents',
  'X-Keycloak-URL': 'https://gateway.test/keycloak',
};
const COGNITO = {
  'X-Authorization': `Bearer ${SECRETS.ingress}`,
  'X-Client-Id': 'invented-cognito-client',
  'X-User-Pool-Id': 'us-east-1_INVENTED1',
  'X-Region': 'us-east-1',
};
const TRACKER = {
  Authorization: `Bearer ${SECRETS.tracker}`,
  'X-Atlassian-Cloud-Id': '11111111-2222-4333-8444-555555555555',
};

describe('the real shape behind a gateway', () => {
  it.each([
    ['Keycloak', {}, {}, KEYCLOAK],
    ['Cognito', { '.oauth-tokens/ingress.json': INGRESS_COGNITO }, {}, COGNITO],
    ['Keycloak, by its agent', {}, { AUTH_PROVIDER: 'keycloak' }, KEYCLOAK_AGENT],
  ])('with the headers of %s', async (_, files, environment, gateway) => {
    const root = realShape(new Root());
    for (const [path, content] of Object.entries(files)) root.write(path, content);
    const { code, stderr } = await once(root, ['--registry-url', GATEWAY], environment);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const expected = {
      clock: { url: `${GATEWAY}/clock/mcp`, headers: gateway },
      'ops-gateway': {
        url: `${GATEWAY}/ops-gateway/mcp`,
        headers: { Authorization: `Bearer ${SECRETS.ops}`, ...gateway },
      },
      toolbox: { url: `${GATEWAY}/toolbox/mcp`, headers: gateway },
      tracker: { url: `${GATEWAY}/tracker/mcp`, headers: { ...TRACKER, ...gateway } },
    };
    expect(Object.keys(servers(root))).toEqual(Object.keys(expected));
    expect(servers(root)).toMatchObject(expected);
    expect(root.json('.oauth-tokens/vscode_mcp.json').servers).toMatchObject(expected);
    expect(root.text('token_refresher.log')).toMatch(
      /WARNING - CONFIG - registry\/servers\/quotes\.json: .*quotes.* left out: .*api_key/,
    );
  });

  it('takes neither agent files nor copies for people for tokens', async () => {
    const root = realShape(new Root());
    const { stdout } = await run(root.path, ['status', '--json']);
    const names = JSON.parse(stdout).tokens.map(({ name }: { name: string }) => name);
    expect(names.sort()).toEqual([
      'agent-ai-coding-assistant-m2m',
      'atlassian-tracker',
      'bedrock-agentcore-ops-gateway',
      'ingress',
      'kroger:client_credentials',
      'kroger:user_default',
      'readonly',
    ]);
  });

  it('tells nobody a secret, however much it is asked', async () => {
    const root = realShape(new Root());
    const { stdout, stderr } = await once(root, [
      '--registry-url',
      GATEWAY,
      '--log-level',
      'DEBUG',
      '--log-format',
      'json',
    ]);
    const told = [stdout, stderr, root.text('token_refresher.log')];
    expect(told.join('\n')).toContain('generated mcp.json with 4 servers');
    for (const [command, says] of [
      [['render', '--json'], '".oauth-tokens/mcp.json"'],
      [['validate', '--json'], '"problems"'],
      [['status', '--json'], '"atlassian-tracker"'],
      [['health', '--json'], '"CRITICAL"'],
      [['refresh'], 'atlassian-tracker'],
    ] as const) {
      const ended = await run(root.path, [...command, '--registry-url', GATEWAY]);
      expect(ended.stdout + ended.stderr, command.join(' ')).toContain(says);
      told.push(ended.stdout, ended.stderr);
    }
    expect(leaks(told.join('\n'))).toEqual([]);
  });

  it('writes nothing the second time', async () => {
    const root = realShape(new Root());
    await once(root, ['--registry-url', GATEWAY, '--outputs', ALL]);
    const before = listing(root);
    await once(root, ['--registry-url', GATEWAY, '--outputs', ALL]);
    const after = listing(root);
    const touched = Object.keys(after).filter((path) => after[path] !== before[path]);
    expect(touched.filter((path) => path.startsWith('.oauth-tokens/') || path.startsWith('registry'))).toEqual([]);
    expect(root.mode('.oauth-tokens/mcp.json')).toBe(0o600);
    expect(root.mode('token_refresher.log')).toBe(0o600);
  });

  it('pairs no token with a host that nobody named: no gateway without --registry-url', async () => {
    const root = realShape(new Root());
    await once(root);
    expect(servers(root)).toMatchObject({
      clock: { url: 'http://clock-server:8000/mcp' },
      'ops-gateway': { url: `${DEFINITIONS['ops-gateway.json'].proxy_pass_url}mcp` },
      tracker: { url: 'http://tracker-server:8005/mcp/', headers: TRACKER },
    });
    expect(servers(root).clock).not.toHaveProperty('headers');
    expect(JSON.stringify(servers(root))).not.toContain('X-Authorization');
  });
});

describe('URLs', () => {
  const sse = { supported_transports: ['sse'] };
  it.each([
    ['a path', { path: '/a' }, 'https://gw.test/a/mcp', 'http'],
    ['slashes at both ends', { path: '/a/b/' }, 'https://gw.test/a/b/mcp', 'http'],
    ['no slash at all', { path: 'a' }, 'https://gw.test/a/mcp', 'http'],
    ['one that ends in /mcp', { path: '/a/mcp' }, 'https://gw.test/a/mcp', 'http'],
    ['one that ends in /sse', { path: '/a/sse', ...sse }, 'https://gw.test/a/sse', 'sse'],
    ['sse only', { path: '/a', ...sse }, 'https://gw.test/a/sse', 'sse'],
    [
      'both transports',
      { path: '/a', supported_transports: ['sse', 'streamable-http'] },
      'https://gw.test/a/mcp',
      'http',
    ],
    ['a path of "/"', { path: '/', server_name: 'Top' }, 'https://gw.test/mcp', 'http'],
    ['a path that only ends like it', { path: '/xmcp' }, 'https://gw.test/xmcp/mcp', 'http'],
  ])('through the registry: %s', async (_, definition, url, type) => {
    const { entries } = await rendered({ one: definition }, ['--registry-url', 'https://gw.test/']);
    expect(Object.values(entries)).toEqual([{ type, url }]);
  });

  it.each([
    ['mcp_endpoint as it is', { mcp_endpoint: 'https://x.test/custom' }, 'https://x.test/custom'],
    ['mcp_endpoint first', { mcp_endpoint: 'https://x.test/e', proxy_pass_url: 'http://y.test' }, 'https://x.test/e'],
    ['proxy_pass_url and /mcp', { proxy_pass_url: 'http://y.test/' }, 'http://y.test/mcp'],
    ['proxy_pass_url and /sse', { proxy_pass_url: 'http://y.test', ...sse }, 'http://y.test/sse'],
    ['proxy_pass_url that has it', { proxy_pass_url: 'http://y.test/mcp/' }, 'http://y.test/mcp/'],
    ['proxy_pass_url with a query', { proxy_pass_url: 'http://y.test/a?k=v' }, 'http://y.test/a/mcp?k=v'],
  ])('without one: %s', async (_, definition, url) => {
    const { entries } = await rendered({ one: { path: '/one', ...definition } });
    expect(entries.one.url).toBe(url);
  });

  it('leaves a definition without any address out and says so', async () => {
    const { root, entries } = await rendered({ one: { path: '/one' }, two: open('two') });
    expect(Object.keys(entries)).toEqual(['two']);
    expect(root.text('token_refresher.log')).toMatch(/WARNING - CONFIG - .*one\.json: .*no mcp_endpoint/);
  });
});

describe('keys', () => {
  it.each([
    ['a path of several parts', { path: '/a/b c'.replace(' ', '.') }, 'a-b-c'],
    ['no path: the name', { server_name: 'My  Server!' }, 'My-Server'],
    ['a path of "/": the name', { path: '/', server_name: 'Top' }, 'Top'],
    ['no letter a key may have: the file', { path: '/время', server_name: '時計' }, 'one'],
    ['300 characters', { path: `/${'n'.repeat(300)}` }, 'n'.repeat(64)],
    ['a name of objects', { path: '/constructor' }, 'constructor'],
    ['another one', { path: '/__proto__' }, '__proto__'],
  ])('%s', async (_, definition, key) => {
    const { root } = await rendered({ one: { mcp_endpoint: 'https://x.test/mcp', ...definition } });
    expect(Object.keys(servers(root))).toEqual([key]);
  });

  it('tells two of one key apart, in an order that lasts, and names both files', async () => {
    const definitions = { b: open('same'), a: open('same'), c: open('same-2') };
    const { root, entries } = await rendered(definitions);
    expect(Object.keys(entries)).toHaveLength(3);
    expect(entries.same).toBeDefined();
    expect(root.text('token_refresher.log')).toMatch(/WARNING - .*servers\/b\.json: .*servers\/a\.json/);
  });

  it('are sorted', async () => {
    const { entries } = await rendered({ z: open('b'), y: open('a'), x: open('C') });
    expect(Object.keys(entries)).toEqual(['C', 'a', 'b']);
  });
});

describe('what is switched off', () => {
  it.each([
    ['server_state.json', { '/one': false }, {}],
    ['server_state.json, with a slash more', { '/one/': false }, {}],
    ['is_enabled', {}, { is_enabled: false }],
  ])('by %s is left out without a warning', async (_, state, more) => {
    const root = new Root();
    define(root, 'one.json', { ...open('one'), ...more });
    define(root, 'two.json', open('two'));
    define(root, 'server_state.json', state);
    await once(root);
    expect(Object.keys(servers(root))).toEqual(['two']);
    expect(root.text('token_refresher.log')).not.toContain('WARNING');
  });
});

describe('tokens of servers', () => {
  const oauth = (more: object) => ({ ...open('one'), auth_type: 'oauth', ...more });
  const bearer = (root: Root) => servers(root).one?.headers.Authorization;
  it.each([
    ['by "token"', { token: 'acme-b' }, 'Bearer token-b'],
    ['by "token", the provider notwithstanding', { token: 'acme-b', auth_provider: 'other' }, 'Bearer token-b'],
    ['by its own file', { auth_provider: 'acme' }, 'Bearer token-one'],
    ['by being the only one of the provider', { auth_provider: 'sole' }, 'Bearer token-sole'],
    ['none of that name', { token: 'nobody' }, undefined],
    ['none of that provider', { auth_provider: 'nobody' }, undefined],
  ])('%s', async (_, more, expected) => {
    const root = define(new Root(), 'one.json', oauth(more));
    for (const [provider, key] of [
      ['acme', 'b'],
      ['acme', 'one'],
      ['sole', 'c'],
    ] as const) {
      root.write(...egress(provider, key, provider === 'sole' ? 'token-sole' : `token-${key}`));
    }
    await once(root);
    expect(bearer(root)).toBe(expected);
    if (expected === undefined) expect(root.text('token_refresher.log')).toContain('token-refresher login one');
  });

  it('never takes one of several at random', async () => {
    const root = define(new Root(), 'one.json', oauth({ auth_provider: 'acme' }));
    root.write(...egress('acme', 'b', 'token-b')).write(...egress('acme', 'c', 'token-c'));
    await once(root);
    expect(servers(root)).toEqual({});
    expect(root.text('token_refresher.log')).toMatch(/one is left out: .*acme-b, acme-c/);
  });

  it('keeps an expired one', async () => {
    const root = define(new Root(), 'one.json', oauth({ auth_provider: 'acme' }));
    const [path, content] = egress('acme', 'one', 'token-old');
    root.write(path, { ...content, expires_at: 1_600_000_000 });
    await once(root);
    expect(bearer(root)).toBe('Bearer token-old');
  });

  it.each([
    ['with a registry URL', ['--registry-url', GATEWAY], { stray: { url: `${GATEWAY}/stray/mcp` } }],
    ['but not without', [], {}],
  ])('without a definition become an entry of their own %s', async (_, args, expected) => {
    const root = new Root().write(...egress('acme', 'stray', 'token-stray'));
    await once(root, args);
    expect(servers(root)).toMatchObject(expected);
    expect(Object.keys(servers(root))).toEqual(Object.keys(expected));
  });

  it.each([
    ['expands in a client', 'a${HOME}b'],
    ['is no header: a line break', 'a\nX-Evil: 1'],
    ['is no header: not ASCII', 'tökén'],
    ['is no header: NUL', 'a\u0000b'],
    ['is no header: a blank', 'a b'],
  ])('are not rendered when one %s', async (_, access) => {
    const root = define(new Root(), 'one.json', oauth({ auth_provider: 'acme' }));
    define(root, 'two.json', open('two')).write(...egress('acme', 'one', access));
    await once(root, ['--outputs', ALL]);
    expect(Object.keys(servers(root))).toEqual(['two']);
    expect(root.text('token_refresher.log')).toContain('acme-one-egress.json: /access_token: ');
  });

  it('may hold quotation marks and backslashes', async () => {
    const access = String.raw`a"b\c'd</script>{{e}}`;
    const root = define(new Root(), 'one.json', oauth({ auth_provider: 'acme' }));
    root.write(...egress('acme', 'one', access));
    await once(root, ['--outputs', ALL]);
    expect(bearer(root)).toBe(`Bearer ${access}`);
    const codex = parseToml(root.text('.oauth-tokens/codex_mcp.toml')) as { mcp_servers: object };
    expect(codex.mcp_servers).toMatchObject({ one: { http_headers: { Authorization: `Bearer ${access}` } } });
  });
});

describe('keys of APIs', () => {
  const definition = { ...open('one'), auth_type: 'api_key', headers: [{ 'X-API-Key': '$INVENTED_KEY' }] };
  it.each([
    ['$NAME from the environment', definition, { INVENTED_KEY: 'k-real' }, '', 'k-real'],
    ['$NAME from .env', definition, {}, 'INVENTED_KEY=k-file\n', 'k-file'],
    ['the environment over .env', definition, { INVENTED_KEY: 'k-real' }, 'INVENTED_KEY=k-file\n', 'k-real'],
    [
      '${NAME}',
      { ...definition, headers: [{ 'X-API-Key': 'v1-${INVENTED_KEY}-x' }] },
      { INVENTED_KEY: 'k' },
      '',
      'v1-k-x',
    ],
    [
      'an object of headers',
      { ...definition, headers: { 'X-API-Key': '$INVENTED_KEY' } },
      { INVENTED_KEY: 'k' },
      '',
      'k',
    ],
    ['not set', definition, {}, '', undefined],
    ['set to nothing', definition, { INVENTED_KEY: '' }, '', undefined],
    ['one that a client would expand', definition, { INVENTED_KEY: '${HOME}' }, '', undefined],
  ])('%s', async (_, one, environment, dotenv, expected) => {
    const root = define(new Root(), 'one.json', one);
    if (dotenv !== '') root.write('.env', dotenv);
    await once(root, [], environment);
    expect(servers(root).one?.headers['X-API-Key']).toBe(expected);
    if (expected === undefined) expect(root.text('token_refresher.log')).toMatch(/one is left out: X-API-Key/);
  });
});

describe('every output', () => {
  const headers = { Authorization: 'Bearer token-h' };
  const wanted = {
    'mcp.json': {
      mcpServers: {
        cmd: { command: 'npx', args: ['-y', 'some thing'], env: { LEVEL: 'debug' } },
        h: {
          type: 'http',
          url: 'http://h.test/mcp',
          headers,
          headersHelper: expect.stringMatching(/^\/.* headers h$/),
        },
        o: { type: 'http', url: 'http://o.test/mcp' },
        s: { type: 'sse', url: 'http://s.test/sse' },
      },
    },
    'vscode_mcp.json': {
      servers: {
        cmd: { type: 'stdio', command: 'npx', args: ['-y', 'some thing'], env: { LEVEL: 'debug' } },
        h: { type: 'http', url: 'http://h.test/mcp', headers },
        o: { type: 'http', url: 'http://o.test/mcp' },
        s: { type: 'sse', url: 'http://s.test/sse' },
      },
      inputs: [],
    },
    'roo_mcp.json': {
      mcpServers: {
        cmd: { command: 'npx', args: ['-y', 'some thing'], env: { LEVEL: 'debug' } },
        h: { type: 'streamable-http', url: 'http://h.test/mcp', headers, disabled: false, alwaysAllow: [] },
        o: { type: 'streamable-http', url: 'http://o.test/mcp', disabled: false, alwaysAllow: [] },
        s: { type: 'sse', url: 'http://s.test/sse', disabled: false, alwaysAllow: [] },
      },
    },
    'cline_mcp.json': {
      mcpServers: {
        cmd: { command: 'npx', args: ['-y', 'some thing'], env: { LEVEL: 'debug' } },
        h: { type: 'streamableHttp', url: 'http://h.test/mcp', headers },
        o: { type: 'streamableHttp', url: 'http://o.test/mcp' },
        s: { type: 'sse', url: 'http://s.test/sse' },
      },
    },
    'gemini_mcp.json': {
      mcpServers: {
        cmd: { command: 'npx', args: ['-y', 'some thing'], env: { LEVEL: 'debug' } },
        h: { type: 'http', url: 'http://h.test/mcp', headers },
        o: { type: 'http', url: 'http://o.test/mcp' },
        s: { type: 'sse', url: 'http://s.test/sse' },
      },
    },
    'codex_mcp.toml': {
      mcp_servers: {
        cmd: { command: 'npx', args: ['-y', 'some thing'], env: { LEVEL: 'debug' } },
        h: { url: 'http://h.test/mcp', http_headers: headers },
        o: { url: 'http://o.test/mcp' },
        s: { url: 'http://s.test/sse' },
      },
    },
    'opencode_mcp.json': {
      mcp: {
        cmd: { type: 'local', command: ['npx', '-y', 'some thing'], environment: { LEVEL: 'debug' } },
        h: { type: 'remote', url: 'http://h.test/mcp', headers, oauth: false },
        o: { type: 'remote', url: 'http://o.test/mcp', oauth: false },
        s: { type: 'remote', url: 'http://s.test/sse', oauth: false },
      },
    },
  };
  const read = (root: Root, name: string): unknown => {
    const text = root.text(`.oauth-tokens/${name}`);
    return name.endsWith('.toml') ? parseToml(text) : JSON.parse(text);
  };

  it('has the shape its client accepts', async () => {
    const root = new Root().write(...egress('acme', 'h', 'token-h'));
    define(root, 'h.json', { ...open('h'), auth_type: 'oauth', auth_provider: 'acme' });
    define(root, 'o.json', open('o'));
    define(root, 's.json', { ...open('s'), supported_transports: ['sse'] });
    define(root, 'cmd.json', { path: '/cmd', command: 'npx', args: ['-y', 'some thing'], env: { LEVEL: '$LEVEL' } });
    const { code, stderr } = await once(root, ['--outputs', ALL], { LEVEL: 'debug' });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const [name, expected] of Object.entries(wanted)) expect(read(root, name), name).toEqual(expected);
  });

  it('of nothing is an empty map under its key', async () => {
    const root = new Root();
    await once(root, ['--outputs', ALL]);
    for (const [name, expected] of Object.entries(wanted)) {
      const [top = ''] = Object.keys(expected);
      expect(read(root, name), name).toEqual({ [top]: {}, ...(name === 'vscode_mcp.json' ? { inputs: [] } : {}) });
    }
  });

  it('is rendered only when asked for', async () => {
    const root = define(new Root(), 'o.json', open('o'));
    await once(root);
    expect(Object.keys(listing(root)).filter((path) => /^\.oauth-tokens\/[^.]/.test(path))).toEqual([
      '.oauth-tokens/mcp.json',
      '.oauth-tokens/roo_mcp.json',
      '.oauth-tokens/vscode_mcp.json',
    ]);
  });

  it('runs a helper that prints the headers', async () => {
    const root = define(new Root(), 'h.json', { ...open('h'), auth_type: 'oauth', auth_provider: 'acme' });
    root.write(...egress('acme', 'h', 'token-h'));
    await once(root, ['--registry-url', GATEWAY]);
    const [, , ...words] = servers(root).h.headersHelper.split(' ');
    const { stdout } = await run('/', words);
    expect(JSON.parse(stdout)).toEqual(headers);
  });

  it('survives an entry that its syntax cannot hold', async () => {
    const { root } = await rendered(
      { bad: { path: '/bad', command: 'x', args: ['a\u007f\ud800'] }, good: open('good') },
      ['--outputs', ALL],
    );
    const codex = parseToml(root.text('.oauth-tokens/codex_mcp.toml')) as { mcp_servers: object };
    expect(codex.mcp_servers).toHaveProperty('good');
  });
});

describe('delivery env', () => {
  it('is what its documentation shows, to the byte of the values', async () => {
    const root = new Root().write(...egress('acme', 'h', 'T'));
    define(root, 'h.json', {
      path: '/h',
      mcp_endpoint: 'https://h.test/mcp',
      auth_type: 'oauth',
      auth_provider: 'acme',
    });
    await once(root, ['--delivery', 'env']);
    expect(servers(root)).toEqual({
      h: {
        command: 'uv',
        args: ['--directory', root.path, 'run', 'mcp'],
        env: { MCP_SERVER_URL: 'https://h.test/mcp', MCP_SERVER_AUTH_TOKEN: 'Bearer T' },
      },
    });
    expect(root.json('.oauth-tokens/vscode_mcp.json')).toEqual({
      mcpServers: {
        h: {
          command: 'npx',
          args: ['-y', '@modelcontextprotocol/server-fetch'],
          env: { FETCH_BASE_URL: 'https://h.test/mcp', FETCH_HEADERS: '{"Authorization": "Bearer T"}' },
        },
      },
    });
  });

  it('of an open server names no token', async () => {
    const { root, entries } = await rendered({ o: open('o') }, ['--delivery', 'env']);
    expect(entries.o.env).toEqual({ MCP_SERVER_URL: 'http://o.test/mcp' });
    expect(root.json('.oauth-tokens/vscode_mcp.json').mcpServers.o.env).toEqual({
      FETCH_BASE_URL: 'http://o.test/mcp',
    });
  });
});

describe("the root's own files", () => {
  it('a template makes an output, with partials of its own and shipped ones', async () => {
    const root = define(new Root(), 'o.json', open('o'));
    root.write('templates/partials/row.hbs', '<{{key}} at {{url}}>');
    root.write('templates/http/list.txt.hbs', '{{#each servers}}{{> row}}{{/each}}\n');
    await once(root, ['--outputs', 'mcp.json']);
    expect(root.text('.oauth-tokens/list.txt')).toBe('<o at http://o.test/mcp>\n');
    expect(root.has('.oauth-tokens/roo_mcp.json')).toBe(false);
  });

  it('a template wins over the shipped one of its name', async () => {
    const root = define(new Root(), 'o.json', open('o'));
    root.write('templates/http/mcp.json.hbs', '{"mcpServers": {"mine": {"type": "http", "url": "http://mine.test/"}}}');
    await once(root);
    expect(Object.keys(servers(root))).toEqual(['mine']);
  });

  it('a schema wins, and what it refuses is left out with an error', async () => {
    const root = define(new Root(), 'o.json', open('o'));
    define(root, 's.json', { ...open('s'), supported_transports: ['sse'] });
    root.write('schemas/mcp.schema.json', {
      type: 'object',
      properties: { mcpServers: { additionalProperties: { properties: { type: { const: 'http' } } } } },
    });
    const { code, stderr } = await once(root);
    expect(code).toBe(1);
    expect(Object.keys(servers(root))).toEqual(['o']);
    expect(Object.keys(root.json('.oauth-tokens/vscode_mcp.json').servers)).toEqual(['o', 's']);
    expect(stderr).toMatch(/registry\/servers\/s\.json: .*mcp\.json/);
  });

  it('a provider wins over the shipped one of its name', async () => {
    const root = realShape(new Root());
    root.write('registry/providers/atlassian.json', {
      provider: 'atlassian',
      token_endpoint: 'https://auth.test/token',
      environment: {},
      parameters: {},
    });
    await once(root);
    expect(servers(root).tracker.headers).toEqual({ Authorization: TRACKER.Authorization });
  });

  it.each([
    ['a syntax error', '{"mcpServers": {{#each servers}}'],
    ['a name that is not there', '{"mcpServers": {{json serverz}} }'],
    ['a partial that is not there', '{{> nowhere}}'],
    ['invalid JSON', '{"mcpServers": {{json servers}} '],
    ['JSON of the wrong shape', '{"servers": []}'],
  ])('a template with %s leaves the old output, and the others', async (_, template) => {
    const root = define(new Root(), 'o.json', open('o'));
    await once(root);
    const before = root.text('.oauth-tokens/mcp.json');
    define(root, 'p.json', open('p')).write('templates/http/mcp.json.hbs', template);
    const { code, stderr } = await once(root);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^templates\/http\/mcp\.json\.hbs: .+\n$/);
    expect(root.text('.oauth-tokens/mcp.json')).toBe(before);
    expect(Object.keys(root.json('.oauth-tokens/vscode_mcp.json').servers)).toEqual(['o', 'p']);
  });

  it.each([
    ['truncated', '{"type": '],
    ['no schema', '{"type": 5}'],
    ['a list', '[]'],
    ['a text', '"object"'],
    ['a folder', null],
  ])('a schema that is %s is named, and stops only what it is for', async (_, schema) => {
    const root = define(new Root(), 'o.json', open('o'));
    if (schema === null) mkdirSync(root.full('schemas/mcp.schema.json'), { recursive: true });
    else root.write('schemas/mcp.schema.json', schema);
    const { code, stderr } = await once(root);
    expect(code).toBe(1);
    expect(stderr).toContain('schemas/mcp.schema.json: ');
    expect(Object.keys(root.json('.oauth-tokens/vscode_mcp.json').servers)).toEqual(['o']);
  });
});
