import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { systemClock } from '../../src/adapters/clock.js';
import { sha256 } from '../../src/adapters/digest.js';
import { diskLocks } from '../../src/adapters/locks/disk-locks.js';
import {
  identityFrom,
  identityText,
  lifeOf,
  ownIdentity,
  type ProcessIdentity,
} from '../../src/adapters/locks/process-identity.js';
import { rootFolder } from '../../src/disk/root-folder.js';
import { Root } from '../fixtures/root.js';
import { MOUNTS, mount } from '../fixtures/small-root.js';

test('tasks of one process hold a lock one at a time', async () => {
  const locks = diskLocks(new Root().path, { ...systemClock, sleep: () => systemClock.sleep(0) }, sha256);
  let inside = 0;
  let most = 0;
  let turns = 0;
  const task = async (): Promise<void> => {
    for (let turn = 0; turn < 30; turn += 1) {
      const lock = await locks.acquire({ file: '.oauth-tokens/two.json', at: null }, 20);
      expect(lock).not.toBeNull();
      inside += 1;
      most = Math.max(most, inside);
      await systemClock.sleep(0.0005);
      inside -= 1;
      turns += 1;
      await lock?.release();
    }
  };
  await Promise.all(Array.from({ length: 8 }, task));
  expect(most).toBe(1);
  expect(turns).toBe(240);
});

const PLACE = { file: 'thing.json', at: null };
const locksOf = (root: Root) => diskLocks(root.path, systemClock, sha256);

test('a lock whose file has gone is held no more', async () => {
  const root = new Root();
  const lock = await locksOf(root).acquire(PLACE, 0);
  expect(await lock?.isStillHeld()).toBe(true);
  root.remove('.oauth-tokens');
  expect(await lock?.isStillHeld()).toBe(false);
  await lock?.release();
});

test('a lock holds when another folder becomes the nearest one, or was it before', async () => {
  const [one, other, third] = [new Root(), new Root(), new Root()];
  third.write(PLACE.file, '{}');
  for (const root of [one, other]) symlinkSync(third.full(PLACE.file), root.full(PLACE.file));
  const beside = await locksOf(one).acquire(PLACE, 0);
  expect(readdirSync(third.full('.locks'))).toHaveLength(1);
  mkdirSync(third.full('.oauth-tokens'));
  expect(await locksOf(other).acquire(PLACE, 0.1)).toBe(null);
  await beside?.release();
  const nearest = await locksOf(other).acquire(PLACE, 0);
  expect(readdirSync(third.full('.oauth-tokens/.locks'))).toHaveLength(1);
  expect(await locksOf(one).acquire(PLACE, 0.1)).toBe(null);
  await nearest?.release();
});

test('locks leave no files', async () => {
  const root = new Root().write(PLACE.file, '{}');
  const lock = await locksOf(root).acquire(PLACE, 0);
  await lock?.release();
  expect(readdirSync(root.full('.oauth-tokens/.locks'))).toEqual([]);
});

test('no lock makes a root anew that was moved away', async () => {
  const root = new Root();
  const locks = locksOf(root);
  renameSync(root.path, `${root.path}.moved`);
  await expect(locks.acquire(PLACE, 0)).rejects.toMatchObject({ code: 'ENOENT' });
  expect(existsSync(root.path)).toBe(false);
  renameSync(`${root.path}.moved`, root.path);
  await (await locks.acquire(PLACE, 0))?.release();
});

describe('whether another process lives', () => {
  const own = { pid: 4_194_303, started: '5', boot: 'b1', space: 's1', machine: 'm1', copy: 'c1' };
  const here = { ...ownIdentity(), pid: process.ppid, started: '0' };
  test.each<[string, object, object, string]>([
    ['no such process', own, own, 'dead'],
    ['its parent', here, ownIdentity(), 'alive'],
    ['its number, but of another start', { ...here, started: '1' }, ownIdentity(), 'dead'],
    ['itself, another copy', { ...ownIdentity(), copy: 'other' }, ownIdentity(), 'alive'],
    [
      'an earlier boot of this machine',
      { ...here, boot: 'b0', machine: 'm1' },
      { ...ownIdentity(), machine: 'm1' },
      'dead',
    ],
    ['another machine', { ...here, boot: 'b0', machine: 'm2' }, { ...ownIdentity(), machine: 'm1' }, 'elsewhere'],
    ['an unknown machine', { ...here, boot: 'b0', machine: '0' }, { ...ownIdentity(), machine: '0' }, 'elsewhere'],
    ['another container of this machine', { ...here, space: 's2' }, ownIdentity(), 'elsewhere'],
  ])('%s', (_which, other, self, life) => {
    expect(lifeOf(other as ProcessIdentity, self as ProcessIdentity)).toBe(life);
  });

  test('is asked of what is written down', () => {
    expect(identityFrom(identityText(ownIdentity()))).toEqual(ownIdentity());
    expect(identityFrom('something else')).toBe(null);
  });
});

describe('the folder of a root', () => {
  const replacedBy = (made: string) => (path: string) => {
    renameSync(path, `${path}.moved`);
    mkdirSync(join(path, made), { recursive: true });
  };
  test.each<[string, (path: string) => void, boolean]>([
    ['as it was', () => undefined, true],
    ['emptied', (path) => rmSync(join(path, 'content')), true],
    ['moved away', (path) => renameSync(path, `${path}.moved`), false],
    ['with another, empty one in its place', replacedBy('.'), false],
    ['with another root in its place', replacedBy('.oauth-tokens'), true],
  ])('%s', (_how, change, isHere) => {
    const path = join(new Root().write('root/content', '').path, 'root');
    const folder = rootFolder(path);
    change(path);
    expect(folder.isHere()).toBe(isHere);
  });

  test('that was never there may be made', () => {
    const path = join(new Root().path, 'new');
    const folder = rootFolder(path);
    expect(folder.isHere()).toBe(true);
    mkdirSync(path);
    expect(folder.isHere()).toBe(true);
    rmSync(path, { recursive: true });
    expect(folder.isHere()).toBe(false);
  });
});

describe('a lock of another machine', () => {
  const IN_TOKENS = { file: '.oauth-tokens/thing.json', at: [] };
  const LEFT = '.oauth-tokens/.locks/thing.1-1-another0-machine0-0-12345678-since-1.lock';
  const renew = (root: Root, at: number): void => utimesSync(root.full(LEFT), at, at);

  // By this machine's clock: neither says whether it is dead.
  test.each([-3600, 3600])('is held, whether it was renewed %d s from now', async (off) => {
    const root = new Root().write(LEFT, '');
    renew(root, Date.now() / 1000 + off);
    expect(await locksOf(root).acquire(IN_TOKENS, 0.2)).toBe(null);
    expect(root.has(LEFT)).toBe(true);
  });

  test('is free when it has been watched for 40 s without a sign of life', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const root = new Root().write(LEFT, '');
    const locks = locksOf(root);
    for (const at of [1, 2, 3]) {
      renew(root, at);
      expect(await locks.acquire(IN_TOKENS, 0)).toBe(null);
      vi.advanceTimersByTime(39_000);
    }
    expect(await locks.acquire(IN_TOKENS, 0)).toBe(null);
    vi.advanceTimersByTime(2000);
    const lock = await locks.acquire(IN_TOKENS, 0);
    expect(lock).not.toBe(null);
    expect(root.has(LEFT)).toBe(false);
    await lock?.release();
  });
});

test.skipIf(!MOUNTS)('a lock is held by whatever path its folder is reached', async () => {
  const [root, other] = [new Root(), new Root()];
  expect(mount('--bind', root.path, other.path)).toBe(true);
  onTestFinished(() => void spawnSync('umount', ['-l', other.path]));
  const lock = await locksOf(root).acquire(PLACE, 0);
  expect(await locksOf(other).acquire(PLACE, 0.2)).toBe(null);
  expect(await lock?.isStillHeld()).toBe(true);
  await lock?.release();
  await (await locksOf(other).acquire(PLACE, 0))?.release();
});
