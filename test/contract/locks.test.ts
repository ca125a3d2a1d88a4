import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/adapters/clock.js';
import { sha256 } from '../../src/adapters/digest.js';
import { diskLocks } from '../../src/adapters/locks/disk-locks.js';
import { sharedLocks } from '../../src/adapters/redis/shared-locks.js';
import { placeKey } from '../../src/ground/file-name.js';
import type { Clock } from '../../src/ports/clock.js';
import { FileError } from '../../src/ports/files.js';
import type { Lock, Locks } from '../../src/ports/locks.js';
import { Line } from '../fixtures/line.js';
import { linkTo } from '../fixtures/redis-link.js';
import { REDIS, RedisServer } from '../fixtures/redis-server.js';
import { Root } from '../fixtures/root.js';

const PLACE = { file: '.oauth-tokens/a token: with awkward characters.json', at: ['user_tokens', 'a/b'] };

/** Gives one lock keeper after the other, of the same locks. */
type Open = () => Promise<() => Promise<Locks>>;

const onDisk: Open = async () => {
  const root = new Root();
  return async () => diskLocks(root.path, systemClock, sha256);
};

interface Told {
  readonly clock?: Clock;
  readonly acquired?: () => Promise<void>;
  readonly isAsking?: boolean;
}

async function locksAt(environment: Record<string, string>, told: Told = {}): Promise<Locks> {
  const { clock = systemClock, acquired = async () => undefined, isAsking = false } = told;
  const link = await linkTo(environment);
  return sharedLocks(link, 'made-up:', clock, { acquired, isAsking: async () => isAsking, awayPatience: 5 });
}

const inRedis: Open = async () => {
  const redis = await RedisServer.start();
  return () => locksAt(redis.environment);
};

async function taken(locks: Locks): Promise<Lock> {
  const lock = await locks.acquire(PLACE, 60);
  if (!lock) throw new Error('was not given');
  return lock;
}

describe.each([
  ['lock files on disk', onDisk, true],
  ['leases in Redis', inRedis, REDIS],
] as const)('%s', (name, open, isThere) => {
  describe.skipIf(!isThere)(isThere ? 'keep locks' : `redis-server is not installed: ${name} are not tried`, () => {
    test('that one has at a time, and the next one when it is given back', async () => {
      const keeper = await open();
      const [mine, theirs] = [await keeper(), await keeper()];
      const lock = await taken(mine);
      expect(lock.lost).toBe(false);
      expect(await lock.isStillHeld()).toBe(true);
      expect(await theirs.acquire(PLACE, 0.2)).toBe(null);
      expect(await mine.acquire(PLACE, 0.2)).toBe(null);
      const waiting = taken(theirs);
      await lock.release();
      const next = await waiting;
      expect(next.lost).toBe(false);
      expect(await mine.acquire(PLACE, 0)).toBe(null);
      await next.release();
    });

    test('each by its place', async () => {
      const locks = await (await open())();
      const lock = await taken(locks);
      const other = await locks.acquire({ ...PLACE, at: ['user_tokens', 'a'] }, 0.2);
      expect(other).not.toBe(null);
      await Promise.all([lock.release(), other?.release()]);
    });

    test('and many at once get their turns', async () => {
      const keeper = await open();
      const keepers = await Promise.all([keeper(), keeper(), keeper()]);
      let inside = 0;
      let most = 0;
      const turn = async (locks: Locks): Promise<void> => {
        const lock = await taken(locks);
        inside += 1;
        most = Math.max(most, inside);
        await systemClock.sleep(0.002);
        inside -= 1;
        await lock.release();
      };
      await Promise.all([...keepers, ...keepers, ...keepers].map(turn));
      expect(most).toBe(1);
    });
  });
});

describe.skipIf(!REDIS)('leases in Redis', () => {
  const key = `made-up:shared:lock:${placeKey(PLACE)}`;

  test('are lost with their time, by either clock', async () => {
    const redis = await RedisServer.start();
    const ahead = { steady: 0, wall: 0 };
    const clock = {
      ...systemClock,
      monotonic: () => systemClock.monotonic() + ahead.steady,
      now: () => systemClock.now() + ahead.wall,
    };
    const lock = await taken(await locksAt(redis.environment, { clock }));
    Object.assign(ahead, { steady: 80, wall: 80 });
    expect(lock.lost).toBe(false);
    Object.assign(ahead, { steady: 91, wall: 80 });
    expect(lock.lost).toBe(true);
    // The machine has slept: its steady clock has not noticed.
    Object.assign(ahead, { steady: 0, wall: 91 });
    expect(lock.lost).toBe(true);
    await lock.release();
  });

  test('whose holder is gone are free at once, but where it may be asking', async () => {
    const redis = await RedisServer.start();
    const lines = [await Line.to(redis.port), await Line.to(redis.port)] as const;
    const url = redis.environment.REDIS_URL ?? '';
    const [first, second] = [
      await locksAt({ REDIS_URL: lines[0].through(url) }),
      await locksAt({ REDIS_URL: lines[1].through(url) }),
    ];
    const lock = await taken(first);
    lines[0].cut();
    await expect.poll(() => lock.lost).toBe(true);
    const third = await locksAt(redis.environment, { isAsking: true });
    expect(await third.acquire(PLACE, 5)).toBe(null);
    const next = await taken(second);
    // It comes back, and takes nothing away.
    await lines[0].mend();
    await lock.release();
    expect(await third.acquire(PLACE, 0.5)).toBe(null);
    expect(next.lost).toBe(false);
    expect(lock.lost).toBe(true);
  });

  test('of a holder that comes back soon stay with it', async () => {
    const redis = await RedisServer.start();
    const line = await Line.to(redis.port);
    const lock = await taken(await locksAt({ REDIS_URL: line.through(redis.environment.REDIS_URL ?? '') }));
    // To whoever waits, hardly any time goes by meanwhile, on a machine however slow.
    let late = 0;
    const began = systemClock.monotonic();
    const clock = { ...systemClock, monotonic: () => began + late };
    const waiting = (await locksAt(redis.environment, { clock })).acquire(PLACE, 6);
    line.cut();
    await expect.poll(() => lock.lost).toBe(true);
    late = 2;
    await line.mend();
    await expect.poll(() => lock.lost).toBe(false);
    late = 7;
    expect(await waiting).toBe(null);
    await lock.release();
  });

  test('that Redis has lost are taken again by their holders, who send nothing more', async () => {
    const redis = await RedisServer.start();
    const [first, second] = [await locksAt(redis.environment), await locksAt(redis.environment)];
    const lock = await taken(first);
    await redis.stop();
    redis.empty();
    await redis.restart();
    expect(await second.acquire(PLACE, 5)).toBe(null);
    expect(lock.lost).toBe(true);
    await lock.release();
    await (await taken(second)).release();
  });

  test('are given back although Redis was away, and leave nothing behind when nobody got them', async () => {
    const redis = await RedisServer.start();
    const locks = await locksAt(redis.environment);
    const lock = await taken(locks);
    await redis.stop();
    await lock.release();
    await expect(locks.acquire(PLACE, 0.3)).rejects.toBeInstanceOf(FileError);
    await redis.restart();
    await expect.poll(() => redis.ask('EXISTS', key)).toBe(0);
  });

  test('are given back when what comes with them cannot be had', async () => {
    const redis = await RedisServer.start();
    const acquired = async () => {
      throw new FileError('EREDIS', 'cannot be reached');
    };
    const locks = await locksAt(redis.environment, { acquired });
    await expect(locks.acquire(PLACE, 10)).rejects.toBeInstanceOf(FileError);
    expect(await redis.ask('EXISTS', key)).toBe(0);
  });
});
