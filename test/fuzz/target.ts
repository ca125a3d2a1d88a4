import type { Dice } from './dice.js';

/** One kind of input. A case throws when a promise is broken. */
export interface Target {
  readonly name: string;
  /** How often it gets its turn. */
  readonly weight: number;
  run(dice: Dice): Promise<void>;
}
