import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, renameSync, symlinkSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { run, start, until } from '../fixtures/program.js';
import { define, egress, LATER, leaks, open } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';

interface Broken {
  readonly what: string;
  /** The file it is put into, and that is named. */
  readonly file: string;
  /** Its text, or what makes it. */
  readonly bad: string | ((root: Root, file: string) => void);
  /** What follows the file's name. */
  readonly told: RegExp;
}

const SECRET = 'invented-access-of-the-bad-one';
const REFRESH = 'invented-refresh-of-the-bad-one';
const token = (fields: object): string =>
  JSON.stringify({ provider: 'bad', access_token: SECRET, refresh_token: REFRESH, expires_at: LATER, ...fields });
const definition = (fields: object): string => JSON.stringify({ ...open('bad'), ...fields });
const special = {
  folder: (root: Root, file: string) => mkdirSync(root.full(file), { recursive: true }),
  link: (root: Root, file: string) => symlinkSync('nowhere', root.full(file)),
  circle: (root: Root, file: string) => symlinkSync(root.full(file), root.full(file)),
  fifo: (root: Root, file: string) => execFileSync('mkfifo', [root.full(file)]),
  huge: (root: Root, file: string) => {
    root.write(file, `{"access_token": "${SECRET}"}`);
    truncateSync(root.full(file), 50 * 1024 * 1024);
  },
};

const shapes = (file: (n: string) => string): Broken[] => [
  { what: 'an empty file', file: file('empty'), bad: '', told: /^: is empty$/ },
  { what: 'white space', file: file('blank'), bad: ' \n', told: /^: is empty$/ },
  {
    what: 'truncated JSON',
    file: file('cut'),
    bad: token({}).slice(0, 60),
    told: /^: (ends in the middle|is not JSON).* at line 1/,
  },
  { what: 'no JSON', file: file('text'), bad: `access_token = ${SECRET}`, told: /^: is not JSON: .* at line 1/ },
  { what: 'a list', file: file('list'), bad: `[${token({})}]`, told: /^: must be a JSON object$/ },
  { what: 'null', file: file('null'), bad: 'null', told: /^: must be a JSON object$/ },
  { what: 'a folder', file: file('folder'), bad: special.folder, told: /^: is a folder/ },
  { what: 'a dangling link', file: file('link'), bad: special.link, told: /^: is a symbolic link to nothing$/ },
  { what: 'links in a circle', file: file('circle'), bad: special.circle, told: /^: .*(link|circle)/ },
  { what: 'a FIFO', file: file('fifo'), bad: special.fifo, told: /^: is not a regular file$/ },
  { what: '50 MB', file: file('huge'), bad: special.huge, told: /^: is 50 MB/ },
];

const at = (name: string): string => `.oauth-tokens/bad-${name}-egress.json`;
const TOKENS: Broken[] = [
  ...shapes(at),
  {
    what: 'a key twice',
    file: at('twice'),
    bad: `{"access_token":"${SECRET}","access_token":"${SECRET}2"}`,
    told: /^: \/access_token: .*twice/,
  },
  {
    what: 'a wrong type',
    file: at('type'),
    bad: token({ access_token: 5 }),
    told: /^: \/access_token: must be string/,
  },
  {
    what: 'a wrong type of refresh token',
    file: at('rt'),
    bad: token({ refresh_token: { v: REFRESH } }),
    told: /^: \/refresh_token: must be/,
  },
  {
    what: 'an endpoint that is no URL',
    file: at('url'),
    bad: token({ token_endpoint: 'javascript:1' }),
    told: /^: \/token_endpoint: must be an http/,
  },
  {
    what: 'NUL in a token',
    file: at('nul'),
    bad: token({ access_token: `${SECRET}\u0000` }),
    told: /^: \/access_token: is not given to clients/,
  },
  {
    what: '${HOME} in a token',
    file: at('home'),
    bad: token({ access_token: `${SECRET}\${HOME}` }),
    told: /^: \/access_token: is not given to clients/,
  },
];

const server = (name: string): string => `registry/servers/bad-${name}.json`;
const SERVERS: Broken[] = [
  ...shapes(server),
  {
    what: 'a path out of the registry',
    file: server('dots'),
    bad: definition({ path: '../../x' }),
    told: /^: \/path: must be a URL path/,
  },
  {
    what: 'neither path nor name',
    file: server('none'),
    bad: '{"description": "x"}',
    told: /^: must have "(path|server_name)"/,
  },
  { what: 'a path that is a number', file: server('number'), bad: definition({ path: 7 }), told: /^: \/path: must be/ },
  {
    what: 'an address that is no URL',
    file: server('url'),
    bad: definition({ proxy_pass_url: 'file:///etc/passwd' }),
    told: /^: \/proxy_pass_url: must be an http/,
  },
  {
    what: 'an unknown auth_type',
    file: server('auth'),
    bad: definition({ auth_type: 'magic' }),
    told: /^: \/auth_type: must be one of/,
  },
  {
    what: 'a header with a line break in its name',
    file: server('header'),
    bad: definition({ headers: [{ 'X\n-Y': 'z' }] }),
    told: /^: \/headers\/0/,
  },
  {
    what: 'a switch that is no switch',
    file: 'registry/servers/server_state.json',
    bad: '{"/good": "yes"}',
    told: /^: \/~1good: must be boolean/,
  },
  {
    what: 'a provider of a wrong type',
    file: 'registry/providers/bad.json',
    bad: '{"provider": "bad", "token_endpoint": 5, "environment": {}}',
    told: /^: /,
  },
];

/** A root in which everything is right, and mcp.json says so by two entries. */
function goodRoot(): Root {
  const root = new Root().write(...egress('acme', 'closed', 'invented-access-of-the-good-one'));
  define(root, 'good.json', open('good'));
  mkdirSync(root.full('registry/providers'), { recursive: true });
  return define(root, 'closed.json', { ...open('closed'), auth_type: 'oauth', auth_provider: 'acme' });
}
const GOOD = {
  closed: { headers: { Authorization: 'Bearer invented-access-of-the-good-one' } },
  good: { url: 'http://good.test/mcp' },
};

function spoil(root: Root, { file, bad }: Broken): void {
  if (typeof bad === 'string') root.write(file, bad);
  else bad(root, file);
}

/** What the log says is wrong with a file. */
function linesOf(root: Root, file: string): string[] {
  const lines = root.text('token_refresher.log').split('\n');
  return lines
    .filter((line) => line.includes(`- SCAN - ${file}:`))
    .map((line) => line.slice(line.indexOf(file) + file.length));
}

describe.each([
  ['token files', TOKENS],
  ['definitions', SERVERS],
])('broken %s', (_, all) => {
  it.each(all)('$what', async (broken) => {
    const root = goodRoot();
    spoil(root, broken);
    const { stdout, stderr } = await run(root.path, ['--once', '--log-level', 'DEBUG']);
    expect(root.json('.oauth-tokens/mcp.json').mcpServers).toMatchObject(GOOD);
    const lines = linesOf(root, broken.file);
    expect(lines).toEqual([expect.stringMatching(broken.told)]);
    expect(leaks(stdout + stderr + root.text('token_refresher.log'), [SECRET, REFRESH])).toEqual([]);
    if (typeof broken.bad === 'string') expect(root.text(broken.file)).toBe(broken.bad);
  });
});

it.each<unknown>(['tomorrow', '2026-02-31T99:00:00Z', { of: 'another kind' }])(
  'a time that cannot be read (%j) costs that field, not the token',
  async (expires_at) => {
    const root = goodRoot();
    root.write('.oauth-tokens/odd.json', { access_token: 'made-up-of-odd', token_type: 'Bearer', expires_at });
    root.write('registry/servers/odd.json', { ...open('odd'), auth_type: 'oauth', token: 'odd' });
    await run(root.path, ['--once']);
    expect(root.text('.oauth-tokens/mcp.json')).toContain('made-up-of-odd');
    const { stdout } = await run(root.path, ['validate']);
    if (typeof expires_at === 'string') expect(stdout).toMatch(/odd\.json: \/expires_at: is not a time/);
  },
);

describe('everything broken at once', () => {
  const all = [...TOKENS, ...SERVERS];

  it('is named line by line, by --once and by validate, and the good ones are served', async () => {
    const root = goodRoot();
    for (const broken of all) spoil(root, broken);
    const { code, stderr } = await run(root.path, ['--once', '--log-level', 'DEBUG']);
    const validated = await run(root.path, ['validate']);
    expect({ once: code, validate: validated.code }).toEqual({ once: 1, validate: 1 });
    expect(root.json('.oauth-tokens/mcp.json').mcpServers).toMatchObject(GOOD);
    for (const { file, told } of all) {
      expect(linesOf(root, file)).toEqual([expect.stringMatching(told)]);
      const lines = validated.stdout.split('\n').filter((line) => line.startsWith(`${file}:`));
      expect(lines.map((line) => line.slice(file.length))).toContainEqual(expect.stringMatching(told));
    }
    expect(leaks(root.text('token_refresher.log') + stderr + validated.stdout, [SECRET, REFRESH])).toEqual([]);
  });

  it('appears in a daemon one by one, once each, and is told to be in order when it is', async () => {
    const root = goodRoot();
    // What would be good in its place, so that there is a last good value.
    const kept = [
      ['cut', { ...open('kept-cut'), path: '/kept-cut' }],
      ['text', open('kept-text')],
      ['dots', open('kept-dots')],
    ] as const;
    for (const [name, value] of kept) define(root, `bad-${name}.json`, value);
    start(root.path, ['--log-level', 'DEBUG']);
    const entries = () => Object.keys(root.json('.oauth-tokens/mcp.json').mcpServers);
    await until(() => root.has('.oauth-tokens/mcp.json') && entries().length === 5, 'five entries');

    for (const broken of all) {
      spoil(root, broken);
      await until(() => linesOf(root, broken.file).length > 0, `a line about ${broken.file}`);
    }
    expect(entries()).toEqual(['closed', 'good', 'kept-cut', 'kept-dots', 'kept-text']);

    root.write('registry/servers/good.json', open('changed'));
    await until(() => entries().includes('changed'), 'a change beside the bad ones');
    for (const { file, told } of all) expect(linesOf(root, file)).toEqual([expect.stringMatching(told)]);
    for (const { file, bad } of all) if (typeof bad === 'string') expect(root.text(file)).toBe(bad);

    define(root, 'bad-cut.json', open('mended'));
    root.remove('registry/servers/bad-text.json');
    await until(() => entries().join() === 'changed,closed,kept-dots,mended', 'mended and removed ones');
    await until(() => linesOf(root, 'registry/servers/bad-cut.json').length === 2, 'that it is in order again');
    expect(linesOf(root, 'registry/servers/bad-cut.json')[1]).toBe(': is in order again');
    expect(leaks(root.text('token_refresher.log'), [SECRET, REFRESH])).toEqual([]);
  });
});

describe('a token file that turns bad while the daemon runs', () => {
  it.each([
    ['truncated', '{"provider": "acme", "acc'],
    ['empty', ''],
    ['with a token nobody can use', JSON.stringify({ ...egress('acme', 'closed', 'a${HOME}')[1] })],
  ])('%s: its last good token goes on being served', async (_, bad) => {
    const root = goodRoot();
    start(root.path, []);
    const header = () => root.has('.oauth-tokens/mcp.json') && root.json('.oauth-tokens/mcp.json').mcpServers.closed;
    await until(header, 'the entry');
    const [path] = egress('acme', 'closed', '');
    root.write(path, bad);
    await until(() => linesOf(root, path).length > 0, 'its line');
    define(root, 'more.json', open('more'));
    await until(() => root.text('.oauth-tokens/mcp.json').includes('more'), 'another cycle');
    expect(root.json('.oauth-tokens/mcp.json').mcpServers).toMatchObject(GOOD);
    expect(root.text(path)).toBe(bad);
    root.remove(path);
    await until(() => !header(), 'the entry gone with the file');
  });
});

describe('what is odd but not broken', () => {
  it.each([
    ['a byte order mark', `\uFEFF${JSON.stringify(open('odd'))}`, 'odd'],
    ['a path of "/"', JSON.stringify({ ...open('odd'), path: '/' }), 'odd'],
    [
      'a name of 300 characters',
      JSON.stringify({ ...open('odd'), server_name: 'x'.repeat(300), path: undefined }),
      'x'.repeat(64),
    ],
    ['a Unicode name', JSON.stringify({ ...open('odd'), path: '/überfällig' }), 'berf-llig'],
    ['control characters in a description', JSON.stringify({ ...open('odd'), description: '\u0000\u001b[31m' }), 'odd'],
    ['"__proto__" in it', '{"path": "/odd", "mcp_endpoint": "http://o.test/", "__proto__": {"path": "/x"}}', 'odd'],
    ['numbers beyond any', '{"path": "/odd", "mcp_endpoint": "http://o.test/", "num_tools": 1e999}', 'odd'],
  ])('%s', async (_, text, key) => {
    const root = define(goodRoot(), 'odd.json', text);
    await run(root.path, ['--once']);
    expect(Object.keys(root.json('.oauth-tokens/mcp.json').mcpServers).sort()).toEqual(['closed', 'good', key].sort());
    expect(root.text('registry/servers/odd.json')).toBe(text);
  });

  it('a file name of Unicode, blanks and line breaks is one line of the log', async () => {
    const root = define(goodRoot(), 'böse \n2026 - ERROR.json', '{');
    await run(root.path, ['--once']);
    expect(
      root
        .text('token_refresher.log')
        .split('\n')
        .filter((line) => line.includes('böse')),
    ).toHaveLength(1);
    expect(root.text('token_refresher.log')).not.toMatch(/^2026 - ERROR/m);
  });
});

describe('where outputs go', () => {
  it.each([
    [
      'a folder in the place of one',
      (root: Root) => root.write('.oauth-tokens/mcp.json/x', 'x'),
      ['.oauth-tokens/mcp.json: '],
    ],
    [
      'a link through a file',
      (root: Root) => symlinkSync('../registry/servers/good.json/x.json', root.full('.oauth-tokens/mcp.json')),
      ['.oauth-tokens/mcp.json: '],
    ],
    [
      'a link to something that is no file',
      (root: Root) => {
        special.fifo(root, 'fifo');
        symlinkSync('../fifo', root.full('.oauth-tokens/mcp.json'));
      },
      ['.oauth-tokens/mcp.json: '],
    ],
  ])('%s: named, and the other outputs are written', async (_, spoilIt, told) => {
    const root = goodRoot();
    spoilIt(root);
    const { code, stderr } = await run(root.path, ['--once']);
    expect({ code, lines: stderr.trim().split('\n') }).toEqual({
      code: 1,
      lines: told.map((one) => expect.stringContaining(one)),
    });
    expect(root.json('.oauth-tokens/vscode_mcp.json').servers).toMatchObject(GOOD);
  });

  it('a file in the place of the folder', async () => {
    const root = new Root().write('.oauth-tokens', 'not a folder');
    define(root, 'good.json', open('good'));
    const { code, stderr } = await run(root.path, ['--once']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^\.oauth-tokens.*: /);
    expect(root.text('.oauth-tokens')).toBe('not a folder');
  });

  it('a link is followed, and stays one', async () => {
    const root = goodRoot().write('elsewhere/client.json', '{}');
    symlinkSync('../elsewhere/client.json', root.full('.oauth-tokens/mcp.json'));
    await run(root.path, ['--once']);
    expect(root.json('elsewhere/client.json').mcpServers).toMatchObject(GOOD);
    renameSync(root.full('.oauth-tokens/mcp.json'), root.full('moved'));
    expect(() => readFileSync(root.full('moved'))).toThrow();
  });

  it.skipIf(spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status !== 0)(
    'a full disk keeps the old output whole, and is no reason to stop',
    () => {
      const root = goodRoot();
      const script = `
        mv .oauth-tokens inputs; mkdir .oauth-tokens
        mount -t tmpfs -o size=48k none .oauth-tokens && cp inputs/* .oauth-tokens/
        "$0" "$1" --once --delivery http; cp .oauth-tokens/mcp.json before.json
        cat /dev/zero > .oauth-tokens/filler
        for n in $(seq 40); do echo '{"path": "/more-'$n'", "mcp_endpoint": "http://m.test/"}' > registry/servers/m$n.json; done
        "$0" "$1" --once --delivery http 2> full.txt; echo "$?" > code; cp .oauth-tokens/mcp.json full.json; ls -A .oauth-tokens > left
        rm .oauth-tokens/filler; "$0" "$1" --once --delivery http; cp .oauth-tokens/mcp.json after.json`;
      const program = [process.execPath, join(process.cwd(), 'dist/main.cjs')];
      spawnSync('unshare', ['-rm', 'bash', '-c', script, ...program], { cwd: root.path });
      expect(root.text('full.txt')).toContain('.oauth-tokens/mcp.json: cannot be written: the disk is full');
      expect(root.text('code')).toBe('1\n');
      expect(root.json('before.json').mcpServers).toMatchObject(GOOD);
      expect(root.text('full.json')).toBe(root.text('before.json'));
      expect(root.text('left')).not.toContain('.tmp');
      expect(Object.keys(root.json('after.json').mcpServers)).toHaveLength(42);
    },
  );
});

describe('templates while the daemon runs', () => {
  it.each([
    ['a syntax error', '{{#each servers}}'],
    ['invalid JSON', '{"mcpServers": {{json servers}}'],
    ['invalid TOML with a token in it', '{{#each servers}}{{json headers}} = = 5\n{{/each}}', 'codex_mcp.toml'],
  ])('%s: named once, the old output stays until it is mended', async (_, bad, name = 'mcp.json') => {
    const root = goodRoot();
    start(root.path, ['--log-level', 'DEBUG', '--outputs', `${name},vscode_mcp.json`]);
    const output = `.oauth-tokens/${name}`;
    await until(() => root.has(output) && root.has('.oauth-tokens/vscode_mcp.json'), 'the first outputs');
    const before = root.text(output);
    const template = `templates/http/${name}.hbs`;
    root.write(template, bad);
    await until(() => linesOf(root, template).length > 0, 'its line');
    define(root, 'more.json', open('more'));
    await until(() => root.text('.oauth-tokens/vscode_mcp.json').includes('more'), 'the other output');
    expect(linesOf(root, template)).toHaveLength(1);
    expect(root.text(output)).toBe(before);
    expect(root.text(template)).toBe(bad);
    expect(leaks(root.text('token_refresher.log'), ['invented-access-of-the-good-one'])).toEqual([]);
    root.remove(template);
    await until(() => root.text(output).includes('more'), 'the shipped template again');
  });
});

describe('templates that are no files', () => {
  it.each([
    ['a folder', special.folder],
    ['a dangling link', special.link],
    ['a FIFO', special.fifo],
  ])('%s: named, and the old output stays', async (_, make) => {
    const root = goodRoot();
    await run(root.path, ['--once']);
    const before = root.text('.oauth-tokens/mcp.json');
    mkdirSync(root.full('templates/http'), { recursive: true });
    make(root, 'templates/http/mcp.json.hbs');
    define(root, 'more.json', open('more'));
    const { code, stderr } = await run(root.path, ['--once']);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/^templates\/http\/mcp\.json\.hbs: .+\n$/),
    });
    expect(root.text('.oauth-tokens/mcp.json')).toBe(before);
    expect(root.json('.oauth-tokens/vscode_mcp.json').servers).toHaveProperty('more');
  });

  it("an editor's backups and locks make no output", async () => {
    const root = goodRoot().write('templates/http/.mcp.json.hbs', 'x').write('templates/http/mcp.json.hbs~', 'x');
    symlinkSync('user@host.123', root.full('templates/http/.#mcp.json.hbs'));
    expect(await run(root.path, ['--once'])).toMatchObject({ code: 0, stderr: '' });
    expect(root.json('.oauth-tokens/mcp.json').mcpServers).toMatchObject(GOOD);
    expect(root.has('.oauth-tokens/.mcp.json')).toBe(false);
  });
});

describe('without the right to read', () => {
  /** Root may read everything: then the program is run as nobody. */
  const limited = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const give = (root: Root) => {
    if (limited.uid !== undefined) execFileSync('chown', ['-R', `${limited.uid}:${limited.gid}`, root.path]);
  };
  const program = join(process.cwd(), 'dist/main.cjs');
  const runLimited = (root: Root) =>
    spawnSync(process.execPath, [program, '--once', '--delivery', 'http'], {
      cwd: root.path,
      env: { HOME: '/nonexistent' },
      encoding: 'utf8',
      ...limited,
    });

  it.each<[what: string, file: string, content: string]>([
    ['a definition', 'registry/servers/closed-to-us.json', '{}'],
    ['a token file', '.oauth-tokens/closed-to-us.json', '{}'],
    ['a provider', 'registry/providers/closed-to-us.json', '{}'],
    ['a template', 'templates/http/roo_mcp.json.hbs', '{}'],
    ['a partial', 'templates/partials/closed-to-us.hbs', 'x'],
    ['a schema', 'schemas/roo_mcp.schema.json', '{}'],
    ['.env', '.env', 'A=1'],
  ])('%s', (_, file, content) => {
    const root = goodRoot().write(file, content);
    give(root);
    chmodSync(root.full(file), 0);
    const { status, stderr } = runLimited(root);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringMatching(new RegExp(`${file}: cannot be read: permission denied\\n$`)),
    });
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(root.json('.oauth-tokens/mcp.json').mcpServers).toMatchObject(GOOD);
  });

  it('the folder of definitions', () => {
    const root = goodRoot();
    give(root);
    runLimited(root);
    const before = root.text('.oauth-tokens/mcp.json');
    chmodSync(root.full('registry/servers'), 0);
    const { status, stderr } = runLimited(root);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringMatching(/^registry\/servers: cannot be read: permission denied\n/),
    });
    expect(before).toContain('good.test');
  });

  it('the folder of definitions while the daemon runs: keeps what was there', async () => {
    const root = goodRoot();
    give(root);
    const child = spawn(process.execPath, [program, '--delivery', 'http'], {
      cwd: root.path,
      env: { HOME: '/nonexistent' },
      stdio: 'ignore',
      ...limited,
    });
    onTestFinished(() => {
      child.kill('SIGKILL');
    });
    await until(
      () => root.has('.oauth-tokens/roo_mcp.json') && root.text('token_refresher.log').includes('cycle completed'),
      'a cycle',
    );
    chmodSync(root.full('registry/servers'), 0);
    await until(() => root.text('token_refresher.log').includes('registry/servers: cannot be read'), 'that it is said');
    expect(root.json('.oauth-tokens/mcp.json').mcpServers).toMatchObject(GOOD);
  });

  it('the folder of outputs is not ours to write to', () => {
    const root = goodRoot();
    give(root);
    chmodSync(root.full('.oauth-tokens'), 0o555);
    const { status, stderr } = runLimited(root);
    chmodSync(root.full('.oauth-tokens'), 0o755);
    expect(status).toBe(1);
    expect(stderr.trimEnd().split('\n')).toEqual(
      ['mcp.json', 'roo_mcp.json', 'vscode_mcp.json'].map(
        (name) => `.oauth-tokens/${name}: cannot be written: permission denied`,
      ),
    );
  });
});
