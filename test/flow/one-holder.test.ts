import { spawn, spawnSync } from 'node:child_process';
import { linkSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { FaultServer } from '../fixtures/fault-server.js';
import { clockAhead, withoutLinks } from '../fixtures/preloads.js';
import { BARE, follow, run, SCRIPT, start, until } from '../fixtures/program.js';
import { Root } from '../fixtures/root.js';

const FILE = '.oauth-tokens/fault-thing-egress.json';
const NAME = 'fault-thing';
const UNSHARES = spawnSync('unshare', ['--pid', '--fork', '--mount', '--uts', 'true']).status === 0;

/** Runs the program through other commands first, as `unshare`. */
function through(command: readonly string[], root: Root, args: readonly string[], more = {}) {
  const [first = '', ...words] = [...command, process.execPath, SCRIPT, ...args];
  const child = spawn(first, words, { cwd: root.path, env: { ...BARE, ...more }, stdio: ['pipe', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  return { process: child, ended: follow(child).ended };
}

const shell = (line: string): string[] => ['sh', '-c', `${line} && exec "$@"`, 'sh'];
const ANOTHER_CONTAINER = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];
const ANOTHER_NAME = ['unshare', '--uts', ...shell('hostname another')];

async function slowServer(): Promise<FaultServer> {
  const server = await FaultServer.start();
  server.delay = 700;
  return server;
}

describe('a file that is reached from two roots is refreshed once', () => {
  const ways: [what: string, share: (from: Root, to: Root) => string[]][] = [
    [
      'by a symbolic link',
      (from, to) => {
        to.write('.oauth-tokens/.keep', '');
        symlinkSync(from.full(FILE), to.full(FILE));
        return [];
      },
    ],
    [
      'by a link to its folder',
      (from, to) => {
        symlinkSync(from.full('.oauth-tokens'), to.full('.oauth-tokens'));
        return [];
      },
    ],
    [
      'by two links to a third place',
      (from, to) => {
        const third = new Root();
        third.write('thing.json', from.text(FILE));
        from.remove(FILE);
        to.write('.oauth-tokens/.keep', '');
        for (const root of [from, to]) symlinkSync(third.full('thing.json'), root.full(FILE));
        return [];
      },
    ],
    [
      'by a hard link',
      (from, to) => {
        to.write('.oauth-tokens/.keep', '');
        linkSync(from.full(FILE), to.full(FILE));
        return [];
      },
    ],
    [
      'by --token-files',
      (from, to) => ['--token-files', `../${from.path.split('/').at(-1)}/${FILE}`].slice(to ? 0 : 2),
    ],
  ];
  test.each(ways)('%s', async (_way, share) => {
    const server = await slowServer();
    const [from, to] = [new Root(), new Root()];
    from.write(FILE, server.file());
    const more = share(from, to);
    const first = start(from.path, ['--once']);
    await until(() => server.asked.length === 1, 'the request of the first');
    const second = await run(to.path, ['--once', ...more]);
    expect((await first.ended).code).toBe(0);
    expect(second).toMatchObject({ code: 0, stderr: '' });
    expect(server.asked).toHaveLength(1);
    expect(from.json(FILE).refresh_token).toBe(server.newest);
    if (more.length === 0) expect(to.json(FILE).refresh_token).toBe(server.newest);
    // And again, from the other side: it stays one file.
    const file = from.json(FILE);
    writeFileSync(from.full(FILE), JSON.stringify({ ...file, expires_at: 1 }));
    from.remove('.token-refresher/attempts');
    to.remove('.token-refresher/attempts');
    const both = await Promise.all([run(to.path, ['--once', ...more]), run(from.path, ['--once'])]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    expect(server.asked).toHaveLength(2);
    expect(server.reuses).toEqual([]);
    expect(from.json(FILE).refresh_token).toBe(server.newest);
  });

  test('a file that has several names keeps them', async () => {
    const server = await FaultServer.start();
    const root = new Root().write(FILE, server.file());
    linkSync(root.full(FILE), root.full('backup.json'));
    const { ino } = statSync(root.full(FILE));
    expect((await run(root.path, ['--once'])).code).toBe(0);
    expect(statSync(root.full(FILE))).toMatchObject({ ino, nlink: 2 });
    expect(root.text('backup.json')).toBe(root.text(FILE));
    expect(root.json(FILE).refresh_token).toBe(server.newest);
  });
});

describe('a lock that is alive is waited for', () => {
  const others: [who: string, again: (root: Root) => Promise<{ code: number | null }>][] = [
    ['a process whose clock is an hour ahead', (root) => run(root.path, ['--once'], clockAhead(3600))],
    ['a process whose clock is an hour behind', (root) => run(root.path, ['--once'], clockAhead(-3600))],
    ['a process of another container', (root) => through(ANOTHER_CONTAINER, root, ['--once']).ended],
    [
      'a process of another container whose clock is an hour ahead',
      (root) => through(ANOTHER_CONTAINER, root, ['--once'], clockAhead(3600)).ended,
    ],
    ['a process on the machine when its name has changed', (root) => through(ANOTHER_NAME, root, ['--once']).ended],
  ];
  test.skipIf(!UNSHARES).each(others)('by %s', async (_who, again) => {
    const server = await slowServer();
    const root = new Root().write(FILE, server.file());
    const first = start(root.path, ['refresh', NAME]);
    await until(() => server.asked.length === 1, 'the request of the first');
    await again(root);
    expect((await first.ended).code).toBe(0);
    // Whose clock is wrong may find that the new token is due as well.
    expect(server.asked.map(({ reuse, concurrency }) => ({ reuse, concurrency }))).toEqual(
      server.asked.map(() => ({ reuse: false, concurrency: 1 })),
    );
    expect(root.json(FILE).refresh_token).toBe(server.newest);
  });

  test.each([
    ['a worker thread', 'thread'],
    ['another copy of the library', 'copy'],
  ])('by %s', async (_who, how) => {
    const server = await slowServer();
    const root = new Root().write('.oauth-tokens/m.json', server.file());
    const library = fileURLToPath(new URL('../../dist/library.mjs', import.meta.url));
    root.write(
      'ask.mjs',
      `import { isMainThread, parentPort, Worker } from 'node:worker_threads';
       const ask = async (copy) =>
         (await import('${library}' + copy)).getTokenManager('m', { root: '${root.path}' }).getAccessToken();
       if (!isMainThread) parentPort.postMessage(await ask(''));
       else {
         const first = ask('');
         await new Promise((resolve) => setTimeout(resolve, 300));
         const second = '${how}' === 'copy' ? ask('?2')
           : new Promise((resolve) => new Worker(new URL(import.meta.url)).once('message', resolve));
         console.log(JSON.stringify([await first, await second]));
       }`,
    );
    const child = spawn(process.execPath, [root.full('ask.mjs')], { env: BARE, stdio: ['pipe', 'pipe', 'pipe'] });
    const { code, stdout, stderr } = await follow(child).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const access = root.json('.oauth-tokens/m.json').access_token;
    expect(JSON.parse(stdout)).toEqual([access, access]);
    expect(server.asked).toHaveLength(1);
  });
});

describe('the lock of a process that is dead', () => {
  /** Killed while it waits for the answer, which never comes. */
  async function killed(root: Root, server: FaultServer, before: readonly string[]): Promise<void> {
    const asked = server.asked.length;
    const dying = through(before, root, ['refresh', NAME]);
    await until(() => server.asked.length > asked, 'its request');
    // The process itself, which `exec` has put in the place of what came before.
    dying.process.kill('SIGKILL');
    await dying.ended;
  }

  test.skipIf(!UNSHARES).each([
    ['on this machine', []],
    [
      'of an earlier boot of this machine',
      ['unshare', '--mount', ...shell('mount --bind boot /proc/sys/kernel/random/boot_id')],
    ],
  ])('%s is free at once: within this test, which is shorter than any wait', async (_which, before) => {
    const server = await slowServer();
    server.temper = 'graceful';
    const root = new Root().write(FILE, server.file()).write('boot', '00000000-1111-4222-8333-444444444444\n');
    await killed(root, server, before);
    expect(await run(root.path, ['--once'])).toMatchObject({ code: 0 });
    expect(root.json(FILE).refresh_token).toBe(server.newest);
  });
});

describe('a file system that refuses links', () => {
  test.each(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EPROTO', 'ENOSYS', 'EIO', 'EROFS', 'EINVAL'])(
    'with %s has locks all the same, and they are free after kill -9',
    async (code) => {
      const server = await slowServer();
      server.temper = 'graceful';
      const root = new Root().write(FILE, server.file());
      const environment = withoutLinks(code);
      const first = start(root.path, ['run'], environment);
      await until(() => server.asked.length === 1, 'its request');
      expect((await run(root.path, ['--once'], environment)).code).toBe(3);
      first.process.kill('SIGKILL');
      await first.ended;
      expect(await run(root.path, ['--once'], environment)).toMatchObject({ code: 0, stderr: '' });
      expect(root.json(FILE).refresh_token).toBe(server.newest);
      expect(readFileSync(root.full('token_refresher.log'), 'utf8')).not.toContain('ERROR');
    },
  );
});
