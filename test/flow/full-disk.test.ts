import { spawnSync } from 'node:child_process';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Step } from '../../src/work/refresh.js';
import { appFor } from '../fixtures/app.js';
import { FaultServer } from '../fixtures/fault-server.js';
import { run, until } from '../fixtures/program.js';
import { Root } from '../fixtures/root.js';
import { MOUNTS, mount, SmallRoot } from '../fixtures/small-root.js';

const FILE = '.oauth-tokens/fault-thing-egress.json';

const TROUBLES = [
  {
    trouble: 'full',
    begin: (root: SmallRoot) => root.fill(),
    end: (root: SmallRoot) => root.free(),
    told: /disk is full/,
  },
  {
    trouble: 'read-only',
    begin: (root: SmallRoot) => root.setReadOnly(true),
    end: (root: SmallRoot) => root.setReadOnly(false),
    told: /read-only/,
  },
];

/** Where the trouble begins; `null` is before everything. Up to `reserved` nothing may be spent. */
const UNSPENT: (Step | null)[] = [null, 'locked', 'reserved'];
const SPENT: Step[] = ['journaled', 'answered', 'saved', 'recorded'];

const repeated = (lines: readonly string[]): string[] => lines.filter((line, index) => lines.indexOf(line) < index);

async function scene(at: Step | null, begin: (root: SmallRoot) => void) {
  const root = new SmallRoot();
  const server = await FaultServer.start();
  root.write(FILE, server.file());
  let armed = true;
  const fixture = await appFor(root.path, {
    reached: (step) => {
      if (step !== at || !armed) return;
      armed = false;
      begin(root);
    },
  });
  if (at === null) begin(root);
  return { ...fixture, root, server };
}

describe.skipIf(!MOUNTS).each(TROUBLES)('a disk that is $trouble', ({ trouble, begin, end, told }) => {
  test.each(UNSPENT)(
    'from the step %s on: nothing is spent, it is said once, and it recovers by itself',
    async (at) => {
      const { root, server, log, cycle } = await scene(at, begin);
      // A full disk has room for the journal's note where it replaces nothing: what counts is what is spent.
      for (let n = 0; n < 2; n += 1) await cycle(10);
      const spentInVain = server.asked.filter(({ issued }) => issued !== root.json(FILE).refresh_token);
      expect(spentInVain).toEqual([]);
      expect(log.text).toMatch(told);
      expect(repeated(log.of('ERROR'))).toEqual([]);
      end(root);
      for (let n = 0; n < 3; n += 1) await cycle(60);
      expect(root.json(FILE).refresh_token).toBe('made-up-refresh-00002');
      expect(server.asked).toHaveLength(1);
    },
  );

  test.each(SPENT)('from the step %s on: nothing is lost', async (at) => {
    const { root, server, log, cycle, clock } = await scene(at, begin);
    const cycling = cycle();
    const waits = (): boolean => /held until it can be saved/.test(log.text);
    let over = false;
    cycling.then(() => {
      over = true;
    });
    await until(() => over || waits(), 'the end, or that it waits for room');
    await until(
      () => over || clock.monotonic() > 1100,
      'the end, as its tokens are safe, or that it has waited for a while',
    );
    // What was reserved is there to be used: a full disk that stays full takes nothing away.
    if (trouble === 'full') expect(root.json(FILE).refresh_token).toBe('made-up-refresh-00002');
    end(root);
    await until(() => over, 'the end');
    await cycle(60);
    expect(server.asked).toHaveLength(1);
    expect(root.json(FILE).refresh_token).toBe('made-up-refresh-00002');
    expect(root.mode(FILE)).toBe(0o600);
    expect(repeated(log.of('ERROR'))).toEqual([]);
  });

  test('the program says so in a line, exits with 1, and the next one goes on', async () => {
    const root = new SmallRoot();
    const server = await FaultServer.start();
    root.write(FILE, server.file());
    begin(root);
    const { code, stderr } = await run(root.path, ['--once', '--log-file', '-']);
    expect(code).toBe(1);
    expect(stderr).toMatch(told);
    expect(stderr).not.toMatch(/ {4}at /);
    expect(server.asked).toEqual([]);
    end(root);
    expect((await run(root.path, ['--once'])).code).toBe(0);
    expect(root.json(FILE).refresh_token).toBe('made-up-refresh-00002');
  });
});

test.skipIf(!MOUNTS)('a disk with room for a part of what is to be reserved: nothing is spent', async () => {
  const root = new SmallRoot();
  const server = await FaultServer.start();
  root.write(FILE, server.file());
  root.fill(8192);
  expect(await run(root.path, ['--once', '--log-file', '-'])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/disk is full/),
  });
  expect(server.asked).toEqual([]);
});

test.skipIf(!MOUNTS)('only the folder of the token files is read-only', async () => {
  const root = new Root();
  const server = await FaultServer.start();
  root.write(FILE, server.file());
  root.write('.oauth-tokens/.locks/.keep', '');
  const folder = root.full('.oauth-tokens');
  expect(mount('--bind', folder, folder) && mount('-o', 'remount,bind,ro', folder)).toBe(true);
  onTestFinished(() => void spawnSync('umount', ['-l', folder]));
  const { code } = await run(root.path, ['--once']);
  expect(code).toBe(1);
  expect(root.text('token_refresher.log')).toMatch(/read-only/);
  expect(server.asked).toEqual([]);
  spawnSync('umount', [folder]);
  expect((await run(root.path, ['--once'])).code).toBe(0);
  expect(server.asked).toHaveLength(1);
});

test.skipIf(!MOUNTS)(
  'a token file that cannot be replaced, as one that is mounted into a container: nothing is spent',
  async () => {
    const root = new Root();
    const server = await FaultServer.start();
    root.write(FILE, server.file());
    const file = root.full(FILE);
    expect(mount('--bind', file, file)).toBe(true);
    onTestFinished(() => void spawnSync('umount', ['-l', file]));
    await run(root.path, ['--once']);
    const kept = root.json(FILE).refresh_token;
    expect(server.asked.filter(({ issued }) => issued !== kept)).toEqual([]);
    expect(root.text('token_refresher.log')).toContain('cannot be replaced');
  },
);
