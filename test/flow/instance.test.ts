import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, unlinkSync } from 'node:fs';
import { Ajv } from 'ajv';
import { describe, expect, it, onTestFinished } from 'vitest';
import { leftLocks } from '../fixtures/left-locks.js';
import { expectBetween, now } from '../fixtures/moments.js';
import { run, start, until } from '../fixtures/program.js';
import { define, egress, GATEWAY, leaks, listing, open, realShape, SECRETS } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';

const PID = 'token_refresher.pid';

async function daemon(root: Root, args: readonly string[] = [], environment: Record<string, string> = {}) {
  const started = start(root.path, args, environment);
  await until(
    () => root.has('token_refresher.log') && root.text('token_refresher.log').includes('cycle completed'),
    'a cycle',
  );
  return started;
}

/** A program that has nothing to do with ours. */
function stranger() {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return { pid: child.pid ?? 0, alive: () => child.exitCode === null && child.signalCode === null };
}

describe('one instance for each root', () => {
  it.each([[[]], [['--once']], [['--once', '--force']]])('a second one ends with 3: %s', async (args) => {
    const root = new Root();
    const first = await daemon(root);
    const second = await run(root.path, args);
    expect(second).toMatchObject({ code: 3, stdout: '' });
    expect(second.stderr).toMatch(new RegExp(`^another instance is running.*PID ${first.pid}.*\\n$`));
    expect(root.text(PID)).toBe(`${first.pid}\n`);
  });

  it('a second one leaves what the first was told as it is', async () => {
    const root = define(new Root(), 'a.json', open('a'));
    await daemon(root, ['--registry-url', GATEWAY]);
    expect((await run(root.path, ['--registry-url', 'https://other.test', '--delivery', 'env'])).code).toBe(3);
    await run(root.path, ['render']);
    expect(root.json('.oauth-tokens/mcp.json').mcpServers.a).toEqual({ type: 'http', url: `${GATEWAY}/a/mcp` });
  });

  it('what an ended one was told does not outlive it', async () => {
    const root = define(new Root(), 'a.json', open('a'));
    const { process, ended } = await daemon(root, ['--registry-url', GATEWAY]);
    process.kill('SIGTERM');
    await ended;
    await run(root.path, ['render']);
    expect(root.json('.oauth-tokens/mcp.json').mcpServers.a.url).toBe('http://a.test/mcp');
  });

  it('of many that start together one runs', async () => {
    const root = new Root();
    const all = Array.from({ length: 6 }, () => start(root.path));
    const codes: (number | null)[] = [];
    for (const { ended } of all) ended.then(({ code }) => codes.push(code));
    await until(() => codes.length === 5, 'all but one to end');
    expect(codes).toEqual([3, 3, 3, 3, 3]);
    const runs = all.filter(({ process }) => process.exitCode === null);
    expect(runs.map(({ pid }) => `${pid}\n`)).toEqual([root.text(PID)]);
  });

  it('another root is another matter', async () => {
    await daemon(new Root());
    const other = new Root();
    expect((await run('/', ['--once', '--root', other.path])).code).toBe(0);
    expect((await run('/', ['--once'], { TOKEN_REFRESHER_ROOT: other.path })).code).toBe(0);
  });

  it('--replace takes over', async () => {
    const root = new Root();
    const first = await daemon(root);
    const second = start(root.path, ['--replace']);
    expect(await first.ended).toMatchObject({ code: 0, stderr: '' });
    await until(() => root.has(PID) && root.text(PID) === `${second.pid}\n`, 'the PID file of the second');
    expect(second.process.exitCode).toBeNull();
  });

  it('--replace without one just starts', async () => {
    const root = new Root();
    expect(await run(root.path, ['--replace', '--once'])).toMatchObject({ code: 0, stderr: '' });
    expect(root.text('token_refresher.log')).toContain('cycle completed');
  });

  it('stop ends it, and is content when there is none', async () => {
    const root = new Root();
    const { ended, pid } = await daemon(root);
    expect(await run(root.path, ['stop'])).toMatchObject({ code: 0, stdout: `stopped (PID ${pid})\n`, stderr: '' });
    expect(await ended).toMatchObject({ code: 0, signal: null });
    expect(root.has(PID)).toBe(false);
    expect(await run(root.path, ['stop'])).toMatchObject({ code: 0, stderr: '' });
  });

  it('after kill -9 the next one waits for nothing', async () => {
    const root = new Root();
    for (let round = 0; round < 3; round += 1) {
      const { process, ended } = await daemon(root);
      process.kill('SIGKILL');
      await ended;
      expect(leftLocks(root)).toEqual([expect.stringMatching(/^\.token-refresher\/instance\..*\.lock$/)]);
      expect(await run(root.path, ['--once'])).toMatchObject({ code: 0, stderr: '' });
      root.remove('token_refresher.log');
    }
  });
});

describe('a stale PID file', () => {
  const contents: [what: string, content: (pid: number) => string][] = [
    ['of a dead program', () => '4194303\n'],
    ['of another program', (pid) => `${pid}\n`],
    ['of everybody', () => '-1\n'],
    ['of our own group', () => '0\n'],
    ['of the system', () => '1\n'],
    ['with no number', () => 'x\n'],
    ['that is empty', () => ''],
  ];
  it.each(contents)('%s stops nothing and gets nobody signalled', async (_, content) => {
    const other = stranger();
    const root = new Root().write(PID, content(other.pid));
    expect((await run(root.path, ['stop'])).code).toBe(0);
    expect((await run(root.path, ['health'])).stdout).toMatch(/^CRITICAL - no instance is running/);
    const started = start(root.path, ['--replace']);
    await until(() => root.has(PID) && root.text(PID) === `${started.pid}\n`, 'its own PID file');
    expect(other.alive()).toBe(true);
  });

  it('of another program, and the lock of one that was killed', async () => {
    const root = new Root();
    const { process, ended } = await daemon(root);
    process.kill('SIGKILL');
    await ended;
    const other = stranger();
    root.write(PID, `${other.pid}\n`);
    expect((await run(root.path, ['stop'])).code).toBe(0);
    expect((await run(root.path, ['--once', '--replace'])).code).toBe(0);
    expect(other.alive()).toBe(true);
  });
});

describe('health', () => {
  const PAST = 1_700_000_000;
  const cases: [what: string, files: [string, object][], runs: boolean, code: number, line: RegExp][] = [
    ['all is well', [], true, 0, /^OK( |$)/],
    ['no instance', [], false, 2, /^CRITICAL - no instance is running\n$/],
    [
      'an expired token',
      [['.mcp_tokens_old.json', { access_token: 'x', expires_at: PAST }]],
      true,
      2,
      /^CRITICAL - expired: old\n$/,
    ],
    ['an unknown expiry', [['.mcp_tokens_some.json', { access_token: 'x' }]], true, 0, /^OK( |$)/],
  ];
  it.each(cases)('%s', async (_, files, runs, code, line) => {
    const root = new Root();
    for (const [path, content] of files) root.write(path, content);
    if (runs) await daemon(root);
    const ended = await run(root.path, ['health']);
    expect(ended).toMatchObject({ code, stdout: expect.stringMatching(line), stderr: '' });
    const { status } = JSON.parse((await run(root.path, ['health', '--json'])).stdout);
    expect(ended.stdout.startsWith(status)).toBe(true);
  });
});

describe('status', () => {
  it('--json is what the contract says', async () => {
    const root = realShape(new Root());
    define(root, 'bad.json', '{"path": 5}');
    const began = now();
    const { pid } = await daemon(root, ['--registry-url', GATEWAY]);
    const { code, stdout, stderr } = await run(root.path, ['status', '--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const status = JSON.parse(stdout);
    expect(status).toEqual({
      instance: { running: true, pid, since: expect.any(Number) },
      tokens: expect.any(Array),
      servers: expect.any(Array),
      problems: [{ file: 'registry/servers/bad.json', pointer: '/path', message: expect.any(String) }],
    });
    expectBetween(status.instance.since, began, now());
    expect(status.servers).toEqual([
      { key: 'clock', file: 'registry/servers/clock.json', included: true },
      { key: 'ops-gateway', file: 'registry/servers/ops-gateway.json', included: true },
      {
        key: 'quotes',
        file: 'registry/servers/quotes.json',
        included: false,
        reason: expect.stringContaining('api_key'),
      },
      { key: 'toolbox', file: 'registry/servers/toolbox.json', included: true },
      { key: 'tracker', file: 'registry/servers/tracker.json', included: true },
    ]);
    const tracker = status.tokens.find(({ name }: { name: string }) => name === 'atlassian-tracker');
    expect(tracker).toEqual({
      name: 'atlassian-tracker',
      file: '.oauth-tokens/atlassian-tracker-egress.json',
      provider: 'atlassian',
      server: 'tracker',
      state: 'valid',
      expires_at: expect.any(Number),
      next_refresh_at: null,
      reason: expect.stringContaining('client_id'),
      missing: expect.arrayContaining([expect.stringMatching(/client_id.*ATLASSIAN_CLIENT_ID/)]),
      action: expect.stringContaining('ATLASSIAN_CLIENT_ID'),
    });
    expect(leaks(stdout)).toEqual([]);
  });

  it('--json is of its schema, with nothing there at all, too', async () => {
    const schema = readFileSync(new URL('../../schemas/status.schema.json', import.meta.url), 'utf8');
    const check = new Ajv({ allowUnionTypes: true }).compile(JSON.parse(schema));
    for (const root of [new Root(), realShape(new Root())]) {
      const { stdout } = await run(root.path, ['status', '--json']);
      check(JSON.parse(stdout));
      expect(check.errors).toBeNull();
    }
  });

  it('fits 80 columns and has no colour when it is read by a program', async () => {
    const root = realShape(new Root());
    root.write(...egress('acme', `a-name-${'long'.repeat(20)}`, 'invented'));
    const { stdout } = await run(root.path, ['status']);
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(stdout).not.toContain('\u001b');
    expect(stdout).toMatch(/ in 30 d\b/);
    expect(leaks(stdout)).toEqual([]);
  });
});

describe('validate', () => {
  it('nothing to complain of', async () => {
    const root = define(new Root(), 'a.json', open('a'));
    for (const { path } of [root, new Root()]) {
      expect(await run(path, ['validate'])).toMatchObject({ code: 0, stdout: '' });
      const { stdout } = await run(path, ['validate', '--json']);
      expect(JSON.parse(stdout)).toEqual({ valid: true, problems: [] });
    }
  });

  it('one line for each problem, of every kind of file', async () => {
    const root = new Root();
    define(root, 'a.json', '{"path": "/a", "auth_type": "magic", "is_enabled": 1}');
    root
      .write('.oauth-tokens/b.json', '{"access_token": 1}')
      .write('.kroger_tokens.json', '{"user_tokens": {"u": {"access_token": "a", "expires_at": "x"}}}');
    root.write('templates/http/mcp.json.hbs', '{{#if}}').write('registry/providers/p.json', '{');
    const { code, stdout } = await run(root.path, ['validate']);
    const lines = stdout.trimEnd().split('\n');
    expect(code).toBe(1);
    for (const [file, pointer] of [
      ['registry/servers/a.json', '/auth_type'],
      ['registry/servers/a.json', '/is_enabled'],
      ['.oauth-tokens/b.json', '/access_token'],
      ['.kroger_tokens.json', '/user_tokens/u/expires_at'],
    ]) {
      expect(lines.filter((line) => line.startsWith(`${file}: ${pointer}: `))).toHaveLength(1);
    }
    for (const file of ['templates/http/mcp.json.hbs', 'registry/providers/p.json']) {
      expect(lines.filter((line) => line.startsWith(`${file}: `))).toHaveLength(1);
    }
    const json = JSON.parse((await run(root.path, ['validate', '--json'])).stdout);
    expect(json.problems).toHaveLength(lines.length);
  });

  it('names what a refresh lacks, field and environment name', async () => {
    const { stdout } = await run(realShape(new Root()).path, ['validate']);
    expect(stdout).toMatch(/^\.oauth-tokens\/atlassian-tracker-egress\.json: .*client_id.*ATLASSIAN_CLIENT_ID/m);
    expect(leaks(stdout)).toEqual([]);
  });
});

describe('render', () => {
  it('writes what is on disk, says so, and says nothing new the second time', async () => {
    const root = define(new Root(), 'a.json', open('a'));
    const first = await run(root.path, ['render']);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toMatch(/^\.oauth-tokens\/mcp\.json: 1 servers?, written$/m);
    const before = listing(root);
    const second = await run(root.path, ['render', '--json']);
    expect(JSON.parse(second.stdout).outputs.map(({ status }: { status: string }) => status)).toEqual(
      Array(3).fill('unchanged'),
    );
    expect(listing(root)).toEqual(before);
  });

  it('ends with 1 when something is broken', async () => {
    const root = define(new Root(), 'a.json', '{');
    expect(await run(root.path, ['render'])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^registry\/servers\/a\.json: /),
    });
  });
});

describe('usage', () => {
  const calls: [args: string[], environment: Record<string, string>, named: RegExp][] = [
    [['statsu'], {}, /"statsu".*"status"/],
    [['helth', '--json'], {}, /"helth".*"health"/],
    [['--intervall', '5'], {}, /--intervall.*"interval"/],
    [['status', '--jsn'], {}, /--jsn.*"json"/],
    [['validate', '--one'], {}, /--one/],
    [['status', 'extra'], {}, /extra/],
    [['-x'], {}, /-x/],
    [['--log-level', 'INFOO'], {}, /--log-level.*INFOO.*"INFO"/],
    [['--log-format', 'jsn'], {}, /--log-format.*jsn.*"json"/],
    [['--delivery', 'htp'], {}, /--delivery.*htp.*"http"/],
    [['--outputs', 'mcp.jsn'], {}, /mcp\.jsn.*"mcp\.json"/],
    [['--once'], { TOKEN_OUTPUTS: 'vscode.json' }, /"vscode\.json".*"vscode_mcp\.json"/],
    [['--interval', 'soon'], {}, /--interval.*"soon"/],
    [['--interval', '0'], {}, /--interval.*"0"/],
    [['--interval', '-5'], {}, /interval/],
    [['--interval'], {}, /interval/],
    [['--interval', ''], {}, /--interval/],
    [['--buffer', '1e9999'], {}, /--buffer/],
    [['--log-max-size', '10G'], {}, /--log-max-size.*"10G"/],
    [['--log-max-files', '0'], {}, /--log-max-files/],
    [['--registry-url', 'gateway.test'], {}, /--registry-url.*"gateway\.test"/],
    [['--registry-url', 'file:///etc'], {}, /--registry-url/],
    [['--root', '/nowhere/at/all'], {}, /--root.*\/nowhere\/at\/all/],
    [['--once=perhaps'], {}, /once/],
    [['--once'], { TOKEN_REFRESH_INTERVAL: 'x' }, /TOKEN_REFRESH_INTERVAL.*"x"/],
    [['--once'], { REGISTRY_URL: 'nothing' }, /REGISTRY_URL.*nothing/],
    [['token', 'nobody'], {}, /"nobody"/],
    [['token', 'atlassian-traker'], {}, /"atlassian-tracker"/],
    [['headers', 'traker'], {}, /"tracker"/],
    [['refresh', 'readonli'], {}, /"readonly"/],
    [['token'], {}, /token|name/i],
  ];
  it.each(calls)('%j %j', async (args, environment, named) => {
    const root = realShape(new Root());
    const before = listing(root);
    const { code, stdout, stderr } = await run(root.path, args, environment);
    expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(named) });
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    const touched = Object.keys(listing(root)).filter((path) => !(path in before) && path !== 'token_refresher.log');
    expect(touched).toEqual([]);
  });

  it.each(['debug', 'Info', 'WARNING', 'eRRor', 'warn', 'Err', 'trace', 'critical'])(
    '--log-level %s is one',
    async (level) => {
      const root = define(new Root(), 'bad.json', '{');
      expect((await run(root.path, ['--once', '--log-level', level])).code).toBe(1);
      const lines = root.text('token_refresher.log').trimEnd().split('\n');
      expect(lines.some((line) => line.includes(' - ERROR - SCAN - registry/servers/bad.json: '))).toBe(true);
      expect(lines.some((line) => line.includes(' - INFO - '))).toBe(!/warn|err|critical/i.test(level));
    },
  );

  it('what the environment says to another program of its log ends no command', async () => {
    const foreign = { LOG_LEVEL: 'loud', LOG_FORMAT: 'pretty', LOG_FILE: '/nowhere/at/all.log' };
    const root = realShape(new Root());
    for (const command of [['status'], ['token', 'readonly'], ['headers', 'tracker'], ['validate']]) {
      const { stderr } = await run(root.path, command, foreign);
      expect([command, stderr]).toEqual([command, expect.not.stringMatching(/LOG_|pretty|nowhere/)]);
    }
    expect((await run(root.path, ['--once'], foreign)).stderr).toMatch(/LOG_FILE: the folder of/);
    await run(root.path, ['--once'], { ...foreign, LOG_FILE: '' });
    const lines = root.text('token_refresher.log').split('\n');
    expect(lines[0]).toMatch(/WARNING - START - LOG_LEVEL: "LOUD" is not one of .*; INFO is used$/);
    expect(lines[1]).toMatch(/WARNING - START - LOG_FORMAT: "pretty" is not one of text, json; text is used$/);
  });

  it.each(['', 'run', 'render', 'validate', 'status', 'health', 'refresh', 'token', 'headers', 'stop'])(
    '%s --help shows an example',
    async (command) => {
      const { code, stdout, stderr } = await run('/', [...(command === '' ? [] : [command]), '--help']);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(/^Examples:\n {2}.*token-refresher /ms);
      expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    },
  );

  it('--version', async () => {
    expect((await run('/', ['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('a flag given twice counts the last time, and wins over the environment', async () => {
    const root = define(new Root(), 'a.json', open('a'));
    await run(root.path, ['--once', '--registry-url', 'https://x.test', '--registry-url', GATEWAY], {
      REGISTRY_URL: 'https://y.test',
    });
    expect(root.json('.oauth-tokens/mcp.json').mcpServers.a.url).toBe(`${GATEWAY}/a/mcp`);
  });

  it('a setting can stand in .env', async () => {
    const root = define(new Root(), 'a.json', open('a')).write(
      '.env',
      `REGISTRY_URL="${GATEWAY}"\nTOKEN_OUTPUTS=mcp.json\n`,
    );
    await run(root.path, ['--once']);
    expect(root.json('.oauth-tokens/mcp.json').mcpServers.a.url).toBe(`${GATEWAY}/a/mcp`);
    expect(root.has('.oauth-tokens/roo_mcp.json')).toBe(false);
  });
});

describe('--dry-run', () => {
  const KEY = 'invented-api-key-value';
  it.each([
    ['a new root', false],
    ['outputs that are there', true],
  ])('touches nothing and shows no secret: %s', async (_, before) => {
    const root = realShape(new Root());
    define(root, 'keyed.json', { ...open('keyed'), auth_type: 'api_key', headers: [{ 'X-API-Key': '$INVENTED_KEY' }] });
    define(root, 'cmd.json', { path: '/cmd', command: 'x', env: { KEY: '$INVENTED_KEY' } });
    if (before) await run(root.path, ['--once']);
    define(root, 'new.json', open('new'));
    unlinkSync(root.full('registry/servers/clock.json'));
    const found = listing(root);
    for (const flags of [[], ['--force'], ['--once', '--log-level', 'DEBUG'], ['--delivery', 'env']]) {
      const { code, stdout, stderr } = await run(root.path, ['--dry-run', '--registry-url', GATEWAY, ...flags], {
        INVENTED_KEY: KEY,
      });
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toContain('would write .oauth-tokens/mcp.json');
      expect(stdout).toContain('[redacted]');
      expect(leaks(stdout, [...Object.values(SECRETS), KEY])).toEqual([]);
      expect(listing(root)).toEqual(found);
    }
  });

  it('runs beside an instance', async () => {
    const root = new Root();
    await daemon(root);
    expect((await run(root.path, ['--dry-run'])).code).toBe(0);
  });

  it('shows no secret that stands in a definition as it is', async () => {
    const literal = 'invented-literal-key';
    const root = define(new Root(), 'a.json', {
      ...open('a'),
      auth_type: 'api_key',
      headers: [{ 'X-API-Key': literal }],
    });
    define(root, 'b.json', { ...open('b'), headers: [{ Authorization: `Bearer ${literal}` }] });
    const { stdout } = await run(root.path, ['--dry-run']);
    expect(stdout).toContain('would write .oauth-tokens/mcp.json');
    expect(stdout.match(/\[redacted\]/g)?.length).toBeGreaterThanOrEqual(2);
    expect(leaks(stdout, [literal])).toEqual([]);
  });

  it('says what is broken', async () => {
    const root = new Root();
    mkdirSync(root.full('registry/servers/x.json'), { recursive: true });
    expect(await run(root.path, ['--dry-run'])).toMatchObject({
      code: 1,
      stderr: 'registry/servers/x.json: is a folder, not a file\n',
    });
  });
});

it('health of settings that cannot be read is unknown, in one line', async () => {
  const { code, stdout, stderr } = await run(new Root().path, ['health'], { TOKEN_EXPIRY_BUFFER: 'x' });
  expect({ code, stderr }).toEqual({ code: 3, stderr: '' });
  expect(stdout).toMatch(/^UNKNOWN - TOKEN_EXPIRY_BUFFER: "x" is not a number[^\n]*\n$/);
});
