import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { createAlarm } from '../../src/daemon/alarm.js';
import { FakeClock } from '../fixtures/app.js';

/** Bytes, after everything that can be collected was. */
async function heap(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  // What is freed by the first is told of afterwards, and then lets go of more.
  for (let n = 0; n < 3; n += 1) {
    collect();
    for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
  }
  return process.memoryUsage().heapUsed;
}

class HastyClock extends FakeClock {
  override async sleep(): Promise<void> {}
}

test('waiting leaves nothing behind, however often', async () => {
  const alarm = createAlarm(new HastyClock());
  const { signal } = new AbortController();
  const wait = async (times: number): Promise<void> => {
    for (let n = 0; n < times; n += 1) await alarm.wait(5, signal);
  };
  await wait(1000);
  const before = await heap();
  await wait(50_000);
  expect((await heap()) - before).toBeLessThan(1_000_000);
});

test.each(['before', 'during'])('an abort %s the wait ends it', async (when) => {
  const stopping = new AbortController();
  const clock = new FakeClock();
  const ends: (AbortSignal | undefined)[] = [];
  clock.sleep = (_seconds?: number, signal?: AbortSignal) => {
    ends.push(signal);
    return new Promise((resolve) => {
      if (signal?.aborted) resolve();
      signal?.addEventListener('abort', () => resolve());
    });
  };
  if (when === 'before') stopping.abort();
  const waiting = createAlarm(clock).wait(5, stopping.signal);
  if (when === 'during') stopping.abort();
  expect(await waiting).toBeNull();
  expect(ends).toHaveLength(1);
});
