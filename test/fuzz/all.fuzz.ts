import { expect, it } from 'vitest';
import { diceOf } from './dice.js';
import { answers } from './targets/answers.js';
import { commands } from './targets/commands.js';
import { files } from './targets/files.js';
import { flags } from './targets/flags.js';
import { protocol } from './targets/protocol.js';
import { texts } from './targets/texts.js';
import { watchdog } from './watchdog.js';

/**
 * FUZZ_SECONDS: for how long (300). FUZZ_SEED: where it begins (by chance). FUZZ_CASES: how many cases at the most;
 * with the seed of a failure and 1, that one alone. FUZZ_ONLY: the name of one target.
 */
const SECONDS = Number(process.env.FUZZ_SECONDS ?? 300);
const SEED = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
const CASES = Number(process.env.FUZZ_CASES ?? Number.POSITIVE_INFINITY);
/** Of one case. */
const LONGEST = 60;

const targets = [files, answers, flags, protocol, texts, commands].filter(
  ({ name }) => (process.env.FUZZ_ONLY ?? name) === name,
);

it('whatever comes, nothing crashes, hangs, leaks or is spoilt', async () => {
  console.log(`FUZZ_SEED=${SEED}`);
  const turns = targets.flatMap((target) => Array.from({ length: target.weight }, () => target));
  const counts = new Map<string, number>();
  const dog = watchdog(LONGEST);
  const loose: unknown[] = [];
  const caught = (error: unknown): void => void loose.push(error);
  process.on('uncaughtException', caught).on('unhandledRejection', caught);
  const end = performance.now() + SECONDS * 1000;
  for (let n = 0; n < CASES && performance.now() < end; n += 1) {
    const seed = SEED + n;
    const dice = diceOf(seed);
    const target = dice.pick(turns);
    const label = `FUZZ_SEED=${seed} FUZZ_CASES=1 (${target.name})`;
    dog.on(label);
    try {
      await target.run(dice);
      expect(loose, 'what nobody has caught').toEqual([]);
    } catch (error) {
      await dog.end();
      throw new Error(`${label}: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
    counts.set(target.name, (counts.get(target.name) ?? 0) + 1);
  }
  process.off('uncaughtException', caught).off('unhandledRejection', caught);
  await dog.end();
  console.log(`no find: ${[...counts].map(([name, count]) => `${name} ${count}`).join(', ')}`);
});
