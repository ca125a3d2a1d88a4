import { randomFrom } from '../fixtures/random.js';

/** Chance, the same for the same seed. */
export interface Dice {
  readonly random: () => number;
  /** Below `n`. */
  below(n: number): number;
  /** Once in so many times. */
  oneIn(n: number): boolean;
  pick<T>(values: readonly T[]): T;
  some<T>(values: readonly T[], most?: number): T[];
}

export function diceOf(seed: number): Dice {
  const random = randomFrom(seed);
  const below = (n: number): number => Math.floor(random() * n);
  return {
    random,
    below,
    oneIn: (n) => random() * n < 1,
    pick: (values) => values[below(values.length)] as (typeof values)[number],
    some: (values, most = values.length) =>
      Array.from({ length: below(most + 1) }, () => values[below(values.length)] as (typeof values)[number]),
  };
}
