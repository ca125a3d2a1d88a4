import { describe, expect, test } from 'vitest';
import type { Processes } from '../../src/ports/processes.js';
import { createRequestWatch } from '../../src/work/request-watch.js';
import { FakeClock } from '../fixtures/app.js';

const NEVER = (): boolean => false;

function processesThatAre(life: ReturnType<Processes['lifeOf']>): Processes {
  return { self: 'this one', lifeOf: () => life };
}

describe('the retry of a lost answer', () => {
  test.each<[string, ReturnType<Processes['lifeOf']>, number, boolean]>([
    ["is the owner's at any time", 'self', 0, true],
    ["is anybody's once the owner is dead", 'dead', 0, true],
    ["is not another process's while the owner lives", 'alive', 0, false],
    ['nor a minute later', 'alive', 60, false],
    ["but is anybody's once the longest request has passed", 'alive', 66, true],
  ])('%s', async (_what, life, passed, expected) => {
    const clock = new FakeClock();
    const { mayRepeat } = createRequestWatch(processesThatAre(life), clock);
    const request = { spent: 'hash', at: clock.now(), owner: 'somebody' };
    clock.pass(passed);
    const before = clock.monotonic();
    expect(await mayRepeat(request, NEVER)).toBe(expected);
    expect(clock.monotonic()).toBe(before);
  });

  test.each([-3600, 0, 3600])(
    "of another machine, whose clock is %d s ahead, is watched by this one's own",
    async (ahead) => {
      const clock = new FakeClock();
      const { mayRepeat } = createRequestWatch(processesThatAre('unknown'), clock);
      const began = clock.monotonic();
      expect(await mayRepeat({ spent: 'hash', at: clock.now() + ahead, owner: 'elsewhere' }, NEVER)).toBe(true);
      expect(clock.monotonic() - began).toBeGreaterThanOrEqual(65);
      expect(clock.monotonic() - began).toBeLessThan(67);
    },
  );

  test('is given up when the program is being stopped meanwhile', async () => {
    const clock = new FakeClock();
    const { mayRepeat } = createRequestWatch(processesThatAre('unknown'), clock);
    const until = clock.monotonic() + 10;
    const stopped = (): boolean => clock.monotonic() >= until;
    expect(await mayRepeat({ spent: 'hash', at: 1, owner: 'elsewhere' }, stopped)).toBe(false);
  });

  test('of a record from before owners were noted is free', async () => {
    const { mayRepeat } = createRequestWatch(processesThatAre('alive'), new FakeClock());
    expect(await mayRepeat({ spent: 'hash', at: 1 }, NEVER)).toBe(true);
  });
});
