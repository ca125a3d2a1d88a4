import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemdSupervisor } from '../../src/adapters/systemd.js';
import { systemdUnit } from '../../src/ground/systemd-unit.js';
import { FaultServer } from '../fixtures/fault-server.js';
import { type Ended, run, start, until } from '../fixtures/program.js';
import { Root } from '../fixtures/root.js';

const works = (command: string): boolean => spawnSync(command, ['--version']).status === 0;
const ANALYZE = works('systemd-analyze');
const NOTIFY = works('systemd-notify') && works('python3');

/** Node has no sockets of this kind. */
const LISTEN = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
while True: print(s.recv(4096).decode().replace("\\n", " "), flush=True)`;

describe('the unit', () => {
  const unit = async (...args: string[]): Promise<Root> => {
    const root = new Root();
    const { code, stdout } = await run(root.path, ['systemd-unit', ...args]);
    expect(code).toBe(0);
    return root.write('token-refresher.service', stdout);
  };

  it('in scripts/systemd is what the command prints', () => {
    const file = fileURLToPath(new URL('../../scripts/systemd/token-refresher.service', import.meta.url));
    const places = {
      node: '/usr/bin/node',
      script: '/opt/mcp-token-refresher/dist/main.cjs',
      root: '/var/lib/token-refresher',
    };
    expect(readFileSync(file, 'utf8')).toBe(systemdUnit(places, false));
  });

  it.skipIf(!ANALYZE)('is nothing that systemd has to complain about', async () => {
    const root = await unit();
    const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', './token-refresher.service'], {
      cwd: root.path,
      encoding: 'utf8',
    });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  it.skipIf(!ANALYZE)('exposes little', async () => {
    const root = await unit();
    const { stdout } = spawnSync('systemd-analyze', ['security', '--offline=yes', './token-refresher.service'], {
      cwd: root.path,
      encoding: 'utf8',
    });
    const [, exposure] = /Overall exposure level for .*: ([\d.]+)/.exec(stdout) ?? [];
    expect(Number(exposure)).toBeLessThanOrEqual(1.5);
  });

  it('quotes paths as systemd reads them', () => {
    const text = systemdUnit({ node: '/n', script: '/a b/$x.cjs', root: '/r/50% "ö"' }, true);
    expect(text).toContain('ExecStart=/n "/a b/$$x.cjs" run --root "/r/50%% \\"ö\\"" --log-file -\n');
    expect(text).toContain('WorkingDirectory=/r/50%% "ö"\n');
    expect(text).toContain('WantedBy=default.target');
    expect(text).not.toContain('User=');
  });
});

describe('a root of any name', () => {
  const inside = async (name: string): Promise<{ root: Root; path: string; ended: Ended }> => {
    const root = new Root();
    const path = root.full(name);
    mkdirSync(path, { recursive: true });
    return { root, path, ended: await run(root.path, ['systemd-unit', '--root', path]) };
  };
  /** A value, as systemd reads a path that stands alone: systemd.syntax(7), systemd.unit(5). */
  const pathIn = (text: string, setting: string): string | undefined => {
    const line = new RegExp(`^${setting}=(.*)$`, 'm').exec(text.replace(/\\\n/g, ' '))?.[1]?.trim();
    return line?.replaceAll('%%', '%');
  };
  /** The words of a command line: systemd.service(5), with variables and specifiers as it puts them back. */
  const wordsIn = (text: string): string[] => {
    const line = /^ExecStart=(.*)$/m.exec(text)?.[1] ?? '';
    return [...line.matchAll(/"((?:\\.|[^"\\])*)"|(\S+)/g)].map(([, quoted, plain = '']) =>
      (quoted?.replace(/\\(.)/g, '$1') ?? plain).replaceAll('%%', '%').replaceAll('$$', '$'),
    );
  };

  it.each([
    'a b',
    '50% %h',
    '$HOME ${X}',
    'q"u\'o',
    'back\\slash',
    'ü 日本',
    '; rm',
    '#hash',
    '=is=',
    ' leads',
    '-x',
    'a\u00a0b',
  ])('is the one that the unit runs for: %s', async (name) => {
    const { root, path, ended } = await inside(name);
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(pathIn(ended.stdout, 'WorkingDirectory')).toBe(path);
    const words = wordsIn(ended.stdout);
    expect(words[words.indexOf('--root') + 1]).toBe(path);
    if (!ANALYZE) return;
    root.write('token-refresher.service', ended.stdout);
    const verified = spawnSync('systemd-analyze', ['verify', './token-refresher.service'], {
      cwd: root.path,
      encoding: 'utf8',
    });
    expect(verified).toMatchObject({ status: 0, stdout: '', stderr: '' });
  });

  it.each(['a\nUser=root', 'a\rb', 'a\tb', 'a\u001bb', 'trails ', 'back\\'])(
    'is refused where a unit cannot hold it: %j',
    async (name) => {
      const { ended } = await inside(name);
      expect(ended).toMatchObject({
        code: 2,
        stdout: '',
        stderr: expect.stringMatching(/^token-refresher: .*systemd/),
      });
      expect(ended.stderr.trim().split('\n')).toHaveLength(1);
    },
  );
});

it('after exit 3 it is started again, as the instance that runs may end; after a usage error it is not', async () => {
  const { stdout } = await run(new Root().path, ['systemd-unit']);
  expect(stdout).toMatch(/^Restart=on-failure$/m);
  expect(stdout).toMatch(/^RestartPreventExitStatus=2$/m);
});

it('a name that no argument can hold is no trouble for who tells systemd', async () => {
  const supervisor = systemdSupervisor({ NOTIFY_SOCKET: '/nowhere', PATH: '/nowhere' });
  supervisor.ran('look at: a\0b\nREADY=1 \ud800');
  await expect(supervisor.stopping()).resolves.toBeUndefined();
});

describe.skipIf(!NOTIFY)('the daemon tells systemd', () => {
  const listen = async (root: Root): Promise<{ readonly socket: string; readonly said: () => string }> => {
    const socket = root.full('notify');
    const listener = spawn('python3', ['-c', LISTEN, socket], { stdio: ['ignore', 'pipe', 'ignore'] });
    onTestFinished(() => void listener.kill());
    let said = '';
    listener.stdout.on('data', (chunk) => {
      said += chunk;
    });
    await until(() => said.includes('bound'), 'the socket');
    return { socket, said: () => said };
  };

  it('when it is ready, that it lives, and that it ends', async () => {
    const root = new Root();
    const { socket, said } = await listen(root);
    const daemon = start(root.path, [], { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '500000' });
    await until(() => /READY=1 STATUS=0 tokens, 0 servers/.test(said()), 'readiness');
    expect(root.has('.oauth-tokens/mcp.json')).toBe(true);
    await until(() => /WATCHDOG=1/.test(said()), 'a sign of life');
    daemon.process.kill('SIGTERM');
    await until(() => /STOPPING=1/.test(said()), 'the end');
    expect(said()).toContain(`MAINPID=${daemon.pid}`);
    expect(await daemon.ended).toMatchObject({ code: 0, stderr: '' });
  });

  it('that it ends before it waits for what is in flight', async () => {
    const root = new Root();
    const server = await FaultServer.start();
    const release = server.hold();
    const before = { ...server.file(), expires_at: 1 };
    root.write('.oauth-tokens/rotating.json', before);
    const { socket, said } = await listen(root);
    const daemon = start(root.path, [], { NOTIFY_SOCKET: socket });
    await until(() => server.asked.length === 1, 'the token request');
    daemon.process.kill('SIGTERM');
    await until(() => /STOPPING=1/.test(said()), 'the end');
    expect(root.json('.oauth-tokens/rotating.json')).toEqual(before);
    release();
    expect(await daemon.ended).toMatchObject({ code: 0 });
    expect(said().match(/STOPPING=1/g)).toHaveLength(1);
    expect(root.json('.oauth-tokens/rotating.json').refresh_token).toBe(server.newest);
  });
});
