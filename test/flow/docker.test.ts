import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { FaultServer } from '../fixtures/fault-server.js';
import { BARE, type Ended, follow, start, until } from '../fixtures/program.js';
import { define } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';

const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));
const text = (name: string): string => readFileSync(join(PACKAGE, 'scripts/docker', name), 'utf8');
const [build = '', final = ''] = text('Dockerfile')
  .replaceAll(/\\\n\s*/g, '')
  .split(/^(?=FROM )/m)
  .slice(1);

/** What the final stage takes from the checkout, and where to. */
const COPIES = [...final.matchAll(/^COPY --from=build (\/src\/.*) (\S+)$/gm)].flatMap(([, from = '', to = '']) =>
  from.split(' ').map((path) => {
    const source = path.slice('/src/'.length);
    return { source, to: to.endsWith('/') ? join(to, source.split('/').at(-1) ?? '') : to };
  }),
);

const FILE = '.oauth-tokens/fault-thing-egress.json';
const ANOTHER = 1000;
const CAN_MOUNT = spawnSync('unshare', ['--mount', 'true']).status === 0;
const CAN_BE_ANOTHER = spawnSync(process.execPath, ['--version'], { uid: ANOTHER }).status === 0;

/** With one server and its token, which is due. */
function rootWith(server: FaultServer): Root {
  const root = new Root().write(FILE, server.file());
  const thing = { server_name: 'Thing', path: '/thing', proxy_pass_url: 'https://thing.test/mcp' };
  return define(root, 'thing.json', { ...thing, auth_type: 'oauth', auth_provider: 'fault' });
}

/** A folder with what is copied into the image, and with the program's name on its path. */
class Image extends Root {
  readonly script = this.full('dist/main.cjs');

  constructor() {
    super();
    for (const { source, to } of COPIES) {
      mkdirSync(dirname(this.full(to)), { recursive: true });
      cpSync(join(PACKAGE, source), this.full(to), { recursive: true });
    }
    this.write('bin/token-refresher', `#!/bin/sh\nexec "${process.execPath}" "${this.script}" "$@"\n`);
    for (const path of ['', 'bin', 'bin/token-refresher']) chmodSync(this.full(path), 0o755);
  }

  /** One cycle, as the container runs it. */
  run(root: Root, environment: Record<string, string>, uid?: number): Promise<Ended> {
    const env = { ...BARE, TOKEN_DELIVERY: '', TOKEN_REFRESHER_ROOT: root.path, LOG_FILE: '-', ...environment };
    const child = spawn(process.execPath, [this.script, 'run', '--once'], {
      cwd: '/',
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(uid !== undefined && { uid, gid: uid }),
    });
    return follow(child).ended;
  }

  /** The health check of the container, for a root. */
  check(root: Root): { code: number | null; line: string } {
    const PATH = `${this.full('bin')}:${BARE.PATH}`;
    const env = { ...BARE, PATH, TOKEN_REFRESHER_ROOT: root.path };
    const { status, stdout } = spawnSync('sh', [this.full('healthcheck.sh')], { env, encoding: 'utf8' });
    return { code: status, line: stdout.trim() };
  }
}

describe('the image', () => {
  it('is built of what the build context holds', () => {
    const context = text('Dockerfile.dockerignore').matchAll(/^!(.*)$/gm);
    const allowed = [...context].map(([, path = '']) => path);
    expect(allowed.filter((path) => !existsSync(join(PACKAGE, path)))).toEqual([]);
    const sources = COPIES.map(({ source }) => source);
    expect(sources).toEqual(expect.arrayContaining(['package.json', 'dist', 'registry/providers', 'templates']));
    for (const { source } of COPIES) {
      expect(existsSync(join(PACKAGE, source)), source).toBe(true);
      expect([...allowed, 'dist'], source).toContain(source.split('/')[0]);
    }
    expect(build).toContain('npm run build');
  });

  it('is not of root, nor the program its PID 1, and is checked by what it holds', () => {
    expect(final).toMatch(/^USER [1-9]\d*:[1-9]\d*$/m);
    expect(final).toContain('ENTRYPOINT ["tini", "--", "token-refresher"]\nCMD ["run"]');
    expect(final).toMatch(/^HEALTHCHECK .* CMD \["sh", "\/opt\/token-refresher\/healthcheck.sh"\]$/m);
    expect(COPIES.map(({ to }) => to)).toContain('healthcheck.sh');
  });

  it('holds all that the program needs, and clients are told to call it as CLIENT_COMMAND says', async () => {
    const server = await FaultServer.start();
    const image = new Image();
    const root = rootWith(server);
    const [, clientCommand = ''] = /CLIENT_COMMAND: (.*)/.exec(text('compose.yaml')) ?? [];
    const { code, stderr } = await image.run(root, { CLIENT_COMMAND: clientCommand });
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('successfully refreshed');
    expect(root.has('token_refresher.log')).toBe(false);
    const { command, args } = root.json('.oauth-tokens/mcp.json').mcpServers.thing;
    expect([command, ...args].join(' ')).toBe(`${clientCommand} bridge thing`);
  });
});

it('the image holds the licences of what is in it', () => {
  const image = new Image();
  for (const path of ['LICENSE', 'dist/THIRD-PARTY-LICENSES.txt']) expect(image.has(path)).toBe(true);
  expect(final).toContain('/usr/local/LICENSE /usr/share/doc/node/copyright');
  expect(final).toContain('/usr/share/doc/tini/copyright');
});

describe('the health check', () => {
  it('fails for what a new start mends, and for no token', async () => {
    const image = new Image();
    const root = new Root();
    expect(image.check(root)).toEqual({ code: 1, line: 'CRITICAL - no instance is running' });
    root.write('.oauth-tokens/fault-thing-egress.json', { provider: 'fault', access_token: 'x', expires_at: 1 });
    const daemon = start(root.path);
    await until(() => root.has('.token-refresher/last-cycle.json'), 'the first cycle');
    expect(image.check(root)).toEqual({ code: 0, line: 'CRITICAL - expired: fault-thing' });
    daemon.process.kill('SIGSTOP');
    const before = Date.now() / 1000 - 180;
    const [lock = ''] = readdirSync(root.full('.token-refresher')).filter((name) => name.endsWith('.lock'));
    utimesSync(root.full(`.token-refresher/${lock}`), before, before);
    expect(image.check(root)).toEqual({ code: 1, line: expect.stringContaining('the daemon hangs') });
    daemon.process.kill('SIGKILL');
  });
});

describe('a token file that cannot be replaced is written in place, with a warning', () => {
  const inPlace = async (prepare: (root: Root) => void, uid?: number): Promise<void> => {
    const server = await FaultServer.start();
    const root = rootWith(server);
    prepare(root);
    const { ino } = statSync(root.full(FILE));
    const { code, stderr } = await new Image().run(root, {}, uid);
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/WARNING - CONFIG - .*fault-thing-egress.json: cannot be replaced.* is written in place/);
    expect(root.json(FILE).refresh_token).toBe(server.newest);
    expect(statSync(root.full(FILE)).ino).toBe(ino);
  };

  it.skipIf(!CAN_MOUNT)('as a mount of its own', () =>
    inPlace((root) => {
      spawnSync('mount', ['--bind', root.full(FILE), root.full(FILE)]);
      onTestFinished(() => void spawnSync('umount', ['-l', root.full(FILE)]));
    }),
  );

  it.skipIf(!CAN_BE_ANOTHER)("as another's, in a sticky folder", () =>
    inPlace((root) => {
      for (const path of ['', 'registry', 'registry/servers', '.oauth-tokens']) chmodSync(root.full(path), 0o1777);
      for (const path of [FILE, 'registry/servers/thing.json']) chmodSync(root.full(path), 0o666);
    }, ANOTHER),
  );
});
