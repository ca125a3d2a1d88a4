import { expect, test } from 'vitest';
import { systemClock } from '../../src/adapters/clock.js';
import { sha256 } from '../../src/adapters/digest.js';
import { linkLocks } from '../../src/adapters/locks/link-locks.js';
import { Root } from '../fixtures/root.js';

test('tasks of one process hold a lock one at a time', async () => {
  const locks = linkLocks(new Root().path, { ...systemClock, sleep: () => systemClock.sleep(0) }, sha256);
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
