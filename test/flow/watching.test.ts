import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, statSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { appFor } from '../fixtures/app.js';
import { byChance } from '../fixtures/chance.js';
import { BARE, follow, pause, SCRIPT, type Started, start, until } from '../fixtures/program.js';
import { define, egress, open } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';

const keys = (root: Root): string =>
  root.has('.oauth-tokens/mcp.json') ? Object.keys(root.json('.oauth-tokens/mcp.json').mcpServers).join() : '-';
const log = (root: Root): string => (root.has('token_refresher.log') ? root.text('token_refresher.log') : '');
const cycles = (root: Root): number => log(root).split('cycle completed').length - 1;

interface Daemon extends Started {
  /** One more cycle, after which nothing is left to do: else a change could be found by chance, not by the watch. */
  quiet(): Promise<void>;
}

/** A daemon that has told of its first cycle. */
async function daemon(
  root: Root,
  args: readonly string[] = [],
  environment: Record<string, string> = {},
): Promise<Daemon> {
  const started = start(root.path, args, environment);
  await until(() => cycles(root) > 0 && root.has('.oauth-tokens'), 'the first cycle');
  return {
    ...started,
    async quiet() {
      // A cycle that somebody has asked for always has its line; one that its own writes have called for has none.
      const before = cycles(root);
      started.process.kill('SIGHUP');
      await until(() => cycles(root) > before, 'a cycle that was asked for');
    },
  };
}

function replace(root: Root, path: string, content: object): void {
  writeFileSync(root.full(`${path}.swap`), JSON.stringify(content));
  renameSync(root.full(`${path}.swap`), root.full(path));
}

// The next cycle would come after five minutes: what is found before, the watch has found.
describe('a change is in the outputs long before the next cycle', () => {
  const A = 'registry/servers/a.json';
  it.each<[what: string, change: (root: Root) => void, keys: string]>([
    ['a definition changed', (root) => root.write(A, open('x')), 'b,x'],
    ['one renamed over another', (root) => replace(root, A, open('x')), 'b,x'],
    ['a new one', (root) => define(root, 'c.json', open('c')), 'a,b,c'],
    ['one moved away', (root) => renameSync(root.full(A), root.full('a.json')), 'b'],
    ['one deleted', (root) => unlinkSync(root.full(A)), 'b'],
    ['all of them deleted', (root) => root.remove('registry'), ''],
    ['one switched off', (root) => define(root, 'server_state.json', { '/a': false }), 'b'],
    ['an output deleted', (root) => unlinkSync(root.full('.oauth-tokens/mcp.json')), 'a,b'],
    ['an output spoilt', (root) => root.write('.oauth-tokens/mcp.json', '{"mcpServers": {}}'), 'a,b'],
    [
      'a template of its own',
      (root) =>
        root.write('templates/http/mcp.json.hbs', '{"mcpServers":{"t":{"type":"http","url":"http://t.test/"}}}'),
      't',
    ],
  ])('%s', async (_, change, expected) => {
    const root = define(define(new Root(), 'a.json', open('a')), 'b.json', open('b'));
    const { quiet } = await daemon(root);
    await until(() => keys(root) === 'a,b', 'the first outputs');
    await quiet();
    change(root);
    await until(() => keys(root) === expected, expected);
  });

  it('folders that come later, and go, and come again', async () => {
    const root = new Root();
    const { quiet } = await daemon(root);
    for (const [n, round] of ['a', 'b'].entries()) {
      define(root, `${round}.json`, open(round));
      await until(() => keys(root) === round, `registry/servers made, round ${round}`);
      await quiet();
      root.write('registry/providers/x.json', '{');
      const told = () => log(root).split('ERROR - SCAN - registry/providers/x.json: ').length - 1;
      await until(() => told() === n + 1, 'registry/providers made');
      await quiet();
      define(root, 'later.json', open(`${round}-later`));
      await until(() => keys(root) === `${round},${round}-later`, 'a file in the new folder');
      await quiet();
      root.remove('registry');
      await until(() => keys(root) === '', 'the folder removed');
      await quiet();
    }
  });

  it('a folder replaced by another at once', async () => {
    const root = define(new Root(), 'a.json', open('a'));
    const { quiet } = await daemon(root);
    await until(() => keys(root) === 'a', 'the first outputs');
    await quiet();
    for (const round of ['b', 'c', 'd']) {
      // The number of the folder that was removed is often given to the next one.
      rmSync(root.full('registry/servers'), { recursive: true });
      mkdirSync(root.full('registry/servers'));
      define(root, `${round}.json`, open(round));
      await until(() => keys(root) === round, `the new folder, round ${round}`);
      await quiet();
      define(root, `${round}.json`, open(`${round}-changed`));
      await until(() => keys(root) === `${round}-changed`, 'a change in the new folder');
      await quiet();
    }
  });

  it('folders that are links', async () => {
    const root = new Root().write('elsewhere/a.json', open('a')).write('registry/.keep', '');
    symlinkSync('../elsewhere', root.full('registry/servers'));
    const { quiet } = await daemon(root);
    await until(() => keys(root) === 'a', 'the first outputs');
    await quiet();
    root.write('elsewhere/a.json', open('b'));
    await until(() => keys(root) === 'b', 'a change behind the link');
    await quiet();
    root.write('elsewhere/c.json', open('c'));
    await until(() => keys(root) === 'b,c', 'a new file behind the link');
  });

  it('links on the way that are turned', async () => {
    const root = new Root();
    for (const release of ['1', '2', '3']) {
      root.write(`releases/${release}/servers/a.json`, { ...open('a'), auth_type: 'oauth', token: 'own' });
      root.write(`releases/${release}/own.json`, { access_token: `of-${release}` });
      root.write(`releases/${release}/servers/open.json`, open(`open-${release}`));
    }
    const turn = (release: string): void => {
      root.remove('current.new');
      symlinkSync(`releases/${release}`, root.full('current.new'));
      renameSync(root.full('current.new'), root.full('deeper/current'));
    };
    root
      .write('deeper/.keep', '')
      .write('registry/.keep', '')
      .write('.oauth-tokens/.keep', '')
      .write('aside/.keep', '');
    mkdirSync(root.full('links'));
    symlinkSync('../deeper/../deeper', root.full('links/deeper'));
    symlinkSync('../links/deeper/current/own.json', root.full('.oauth-tokens/own.json'));
    symlinkSync('../links/deeper/current/servers', root.full('registry/servers'));
    symlinkSync('../releases', root.full('deeper/releases'));
    turn('1');
    const { quiet } = await daemon(root);
    const seen = (release: string) => () =>
      keys(root) === `a,open-${release}` && root.text('.oauth-tokens/mcp.json').includes(`Bearer of-${release}`);
    await until(seen('1'), 'the first release');
    for (const release of ['2', '3', '1']) {
      await quiet();
      turn(release);
      await until(seen(release), `release ${release}`);
    }
    await quiet();
    root.write('releases/1/own.json', { access_token: 'of-1-again' });
    await until(() => root.text('.oauth-tokens/mcp.json').includes('of-1-again'), 'a change behind the links');
  });

  it.each([
    ['secrets/*.json', 'secrets/own.json'],
    ['deep/**/*.json', 'deep/er/own.json'],
    ['own.json', 'own.json'],
  ])("token files of a glob of one's own: %s", async (glob, path) => {
    const root = define(new Root(), 'a.json', { ...open('a'), auth_type: 'oauth', token: 'own' });
    const { quiet } = await daemon(root, ['--token-files', glob]);
    await quiet();
    for (const access of ['one', 'two']) {
      root.write(path, { access_token: access });
      await until(() => root.text('.oauth-tokens/mcp.json').includes(`Bearer ${access}`), access);
      await quiet();
    }
  });

  it('tokens: a new one, another value, gone', async () => {
    const root = define(new Root(), 'a.json', { ...open('a'), auth_type: 'oauth', auth_provider: 'acme' });
    const { quiet } = await daemon(root);
    const header = () => root.json('.oauth-tokens/mcp.json').mcpServers.a?.headers.Authorization;
    for (const access of ['one', 'two']) {
      const [path, content] = egress('acme', 'a', access);
      replace(root.write(path, ''), path, content);
      await until(() => header() === `Bearer ${access}`, access);
      await quiet();
    }
    unlinkSync(root.full(egress('acme', 'a', '')[0]));
    await until(() => keys(root) === '', 'the token gone');
  });

  it('.env', async () => {
    const definition = { ...open('a'), auth_type: 'api_key', headers: [{ 'X-Key': '$INVENTED_KEY' }] };
    const root = define(new Root(), 'a.json', definition);
    const { quiet } = await daemon(root);
    const header = () => root.json('.oauth-tokens/mcp.json').mcpServers.a?.headers['X-Key'];
    root.write('.env', 'INVENTED_KEY=one\n');
    await until(() => header() === 'one', 'made');
    replace(root, '.env', {});
    writeFileSync(root.full('.env'), 'INVENTED_KEY=two\n');
    await until(() => header() === 'two', 'changed');
    await quiet();
    unlinkSync(root.full('.env'));
    await until(() => keys(root) === '', 'removed');
  });
});

/** A system of one's own, whose limits are one's own as well. */
const LIMITED = spawnSync('unshare', ['-Ur', 'sh', '-c', 'echo 0 > /proc/sys/user/max_inotify_watches']).status === 0;

describe.skipIf(!LIMITED)('where the system watches nothing more', () => {
  it.each([
    ['max_inotify_watches', 'max_user_watches'],
    ['max_inotify_instances', 'max_user_instances'],
  ])('%s: it is said once, changes are seen all the same, and watching is taken up again', async (limit, setting) => {
    const root = define(new Root(), 'a.json', open('a'));
    // The limit is lifted when a line comes.
    const script = `echo 0 > /proc/sys/user/${limit}; (read _; echo 1000 > /proc/sys/user/${limit}) <&3 & exec "$@"`;
    const child = spawn('unshare', ['-Ur', 'sh', '-c', script, 'sh', process.execPath, SCRIPT], {
      cwd: root.path,
      env: BARE,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    });
    const { ended } = follow(child as never);
    await until(() => keys(root) === 'a', 'the first outputs');
    const warnings = (): string[] =>
      log(root)
        .split('\n')
        .filter((line) => line.includes('cannot be watched'));
    await until(() => warnings().length > 0, 'the warning');
    for (const name of ['b', 'c']) {
      define(root, 'a.json', open(name));
      await until(() => keys(root) === name, `the change to ${name}`);
    }
    expect(warnings()).toEqual([expect.stringMatching(`WARNING - SCAN - .*raise fs.inotify.${setting}`)]);
    (child.stdio[3] as Writable).write('\n');
    await until(() => log(root).includes('INFO - SCAN - folders can be watched again'), 'watching');
    define(root, 'd.json', open('d'));
    await until(() => keys(root) === 'c,d', 'a change that is watched');
    child.kill('SIGTERM');
    expect((await ended).code).toBe(0);
  });
});

describe('the daemon leaves itself alone', () => {
  it('its own writes cause no further write and no loop', async () => {
    // A folder that is new is looked at once more, soon after it is watched: this one is there from the beginning.
    const root = define(new Root().write('.oauth-tokens/.keep', ''), 'a.json', open('a'));
    const { quiet } = await daemon(root, ['--interval', '1']);
    const written = () => log(root).split(' - CONFIG - generated ').length - 1;
    await until(() => written() === 3, 'the first outputs');
    define(root, 'b.json', open('b'));
    await until(() => written() === 6, 'the second outputs');
    const stamp = () =>
      ['mcp.json', 'vscode_mcp.json', 'roo_mcp.json'].map(
        (name) => statSync(root.full(`.oauth-tokens/${name}`)).ctimeMs,
      );
    await quiet();
    const before = { stamp: stamp(), cycles: cycles(root) };
    // Each cycle notes its time there, also one that has no line: those come of the interval, which have one.
    const seen = new Set<number>();
    await until(() => {
      seen.add(root.json('.token-refresher/last-cycle.json').at);
      return cycles(root) === before.cycles + 3;
    }, 'three more cycles');
    // Of the cycle before there may still have been an older note.
    expect(seen.size).toBeLessThanOrEqual(2 + 3);
    expect({ stamp: stamp(), written: written() }).toEqual({ stamp: before.stamp, written: 6 });
  });

  it('500 files changed at once are a handful of cycles', async () => {
    const root = new Root();
    mkdirSync(root.full('registry/servers'), { recursive: true });
    const { process, quiet } = await daemon(root);
    for (const round of ['one', 'two']) {
      await quiet();
      const before = cycles(root);
      // However long it takes to write them: to the daemon they come at once.
      await pause(process);
      for (let n = 0; n < 500; n += 1) define(root, `${n}.json`, open(`${round}-${n}`));
      process.kill('SIGCONT');
      const all = () => (keys(root).match(/[^,]+/g) ?? []).filter((key) => key.startsWith(round)).length === 500;
      await until(all, '500 entries');
      expect(cycles(root) - before).toBeLessThanOrEqual(8);
    }
  });

  it('a file removed and written anew is not missed, but one that stays away for longer than that takes', async () => {
    const root = define(define(new Root(), 'a.json', open('a')), 'b.json', open('b'));
    const { cycle } = await appFor(root.path);
    await cycle();
    for (const away of [0, 0.1, 0.29]) {
      unlinkSync(root.full('registry/servers/a.json'));
      await cycle();
      await cycle(away);
      expect(keys(root)).toBe('a,b');
      define(root, 'a.json', { ...open('a'), mcp_endpoint: `http://a${away}.test/mcp` });
      await cycle();
      expect(root.text('.oauth-tokens/mcp.json')).toContain(`//a${away}.test`);
    }
    unlinkSync(root.full('registry/servers/a.json'));
    await cycle();
    await cycle(0.31);
    expect(keys(root)).toBe('b');
  });
});

describe('signals', () => {
  it('SIGHUP: a cycle', async () => {
    const root = new Root();
    const { process } = await daemon(root);
    await until(() => keys(root) === '', 'the first outputs');
    const before = cycles(root);
    process.kill('SIGHUP');
    await until(() => cycles(root) > before, 'another cycle');
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('%s: exit code 0 and no PID file', async (signal) => {
    const root = new Root();
    const { process, pid, ended } = await daemon(root);
    expect(root.text('token_refresher.pid')).toBe(`${pid}\n`);
    expect(root.mode('token_refresher.pid')).toBe(0o644);
    process.kill(signal);
    expect(await ended).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
    expect(root.has('token_refresher.pid')).toBe(false);
    expect(log(root)).toMatch(/ - INFO - STOP - stopped\n$/);
  });

  it('SIGTERM while it starts', async () => {
    for (let round = 0; round < 4; round += 1) {
      const root = define(new Root(), 'a.json', open('a'));
      const { process, ended } = start(root.path);
      await byChance(200);
      process.kill('SIGTERM');
      const { signal, code, stderr } = await ended;
      // Before it has said that it runs, to be ended is as good as to end.
      expect(log(root) === '' ? stderr : { signal, code, stderr }).toEqual(
        log(root) === '' ? '' : { signal: null, code: 0, stderr: '' },
      );
      expect(root.has('token_refresher.pid')).toBe(false);
    }
  });

  it.each<[what: string, reached: (root: Root) => boolean]>([
    ['has its PID file', (root) => root.has('token_refresher.pid')],
    ['has said that it runs', (root) => log(root) !== ''],
    ['has written an output', (root) => root.has('.oauth-tokens/mcp.json')],
  ])('SIGTERM as soon as it %s', async (_, reached) => {
    const root = define(new Root(), 'a.json', open('a'));
    const { process, ended } = start(root.path);
    await until(() => reached(root), 'that it has come so far');
    process.kill('SIGTERM');
    expect(await ended).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
    expect(root.has('token_refresher.pid')).toBe(false);
    expect(log(root)).toMatch(/ - STOP - stopped\n$/);
  });
});

describe('the log', () => {
  it('is opened anew on SIGUSR1', async () => {
    const root = new Root();
    const { process } = await daemon(root);
    renameSync(root.full('token_refresher.log'), root.full('moved.log'));
    process.kill('SIGUSR1');
    await until(() => root.has('token_refresher.log'), 'a new log');
    define(root, 'a.json', open('a'));
    await until(() => log(root).includes('generated mcp.json'), 'lines in it');
    expect(root.mode('token_refresher.log')).toBe(0o600);
    expect(root.text('moved.log')).not.toContain('with 1 server');
  });

  it('is rotated by size, and no line is lost or torn', async () => {
    const root = new Root();
    await daemon(root, ['--log-max-size', '2k', '--log-max-files', '3']);
    for (let n = 0; n < 12; n += 1) {
      define(root, 'a.json', open(`key-${n}`));
      await until(() => keys(root) === `key-${n}`, `round ${n}`);
    }
    const files = ['token_refresher.log', 'token_refresher.log.1', 'token_refresher.log.2'];
    for (const file of files) {
      expect(statSync(root.full(file)).size).toBeLessThanOrEqual(2048);
      expect(root.mode(file)).toBe(0o600);
      for (const line of root.text(file).trimEnd().split('\n')) {
        expect(line).toMatch(
          /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - (INFO|WARNING) - (START|CHECK|SCAN|CONFIG) - .+$/,
        );
      }
    }
    expect(root.has('token_refresher.log.3')).toBe(false);
  });

  it('says nothing at INFO but one line a cycle when nothing has changed', async () => {
    const root = define(new Root(), 'a.json', open('a'));
    await daemon(root, ['--interval', '1']);
    await until(() => cycles(root) >= 4, 'four cycles');
    const lines = log(root).trimEnd().split('\n');
    const second = lines.findIndex((line) => line.includes('cycle completed')) + 1;
    expect(lines.slice(second).filter((line) => !line.includes('cycle completed'))).toEqual([]);
  });

  it('is JSON on demand', async () => {
    const root = define(new Root(), 'a.json', open('a'));
    await daemon(root, ['--log-format', 'json']);
    const lines = log(root)
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toContainEqual({ level: 30, time: expect.any(Number), kind: 'START', msg: expect.any(String) });
    expect(lines).toContainEqual(expect.objectContaining({ kind: 'CONFIG', file: '.oauth-tokens/mcp.json' }));
  });

  it('goes nowhere with "-", and to its place with a path', async () => {
    const root = new Root().write('logs/.keep', '');
    const { process, ended } = start(root.path, ['--log-file', '-']);
    await until(() => root.has('.oauth-tokens/mcp.json'), 'the first outputs');
    process.kill('SIGTERM');
    expect((await ended).stderr).toContain(' - INFO - START - ');
    expect(root.has('token_refresher.log')).toBe(false);
    start(root.path, ['--log-file', 'logs/own.log']);
    await until(() => root.has('logs/own.log'), 'a log of that name');
  });

  it.each([
    ['is', '%d:%i', /^<6>.* - INFO - START - /],
    ['is not', '1:1', /^\d.* - INFO - START - /],
  ])('tells journald how urgent a line is where standard error %s the journal', async (_, stream, first) => {
    const root = define(new Root(), 'bad.json', '{');
    const script = `JOURNAL_STREAM=$(stat -L -c '${stream}' /dev/stderr) "$0" "$1" --once --log-file - --root "$2"`;
    const { stderr } = spawnSync('/bin/sh', ['-c', script, process.execPath, SCRIPT, root.path], { encoding: 'utf8' });
    const lines = stderr.split('\n');
    expect(lines[0]).toMatch(first);
    expect(lines.find((line) => line.includes('bad.json'))).toMatch(
      stream === '1:1' ? /^\d/ : /^<3>\d.* - ERROR - SCAN - /,
    );
  });
});
