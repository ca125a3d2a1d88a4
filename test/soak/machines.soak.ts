import { expect, test } from 'vitest';
import { table } from './flat.js';
import { disturb, rowsOf } from './violence.js';

/** By hand: MINUTES=2 TOKENS=50 SEED=7 npm run soak:machines */
const MINUTES = Number(process.env.MINUTES ?? 10);
const TOKENS = Number(process.env.TOKENS ?? 50);
const SEED = Number(process.env.SEED ?? 1);

test(
  'several machines share tokens through kills, stops, cut lines and restarts of Redis',
  async () => {
    const figures = await disturb({
      tokens: TOKENS,
      lasts: MINUTES * 60,
      seed: SEED,
      calm: 6,
      lifetime: 5,
      late: 1,
    });
    console.log(`\n${table(rowsOf(figures))}\n`);
    expect({ refused: figures.refused, failures: figures.failures }).toEqual({ refused: [], failures: [] });
  },
  (MINUTES + 3) * 60_000,
);
