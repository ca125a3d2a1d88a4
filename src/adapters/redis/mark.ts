import { randomBytes } from 'node:crypto';

/**
 * What a state of a document is known by, and its saves are fenced with: `GENERATION.ORIGIN.ID`. The generation counts
 * saves, the origin tells a document from one that was begun anew after Redis had lost it, the id tells two of one
 * generation apart, which a failover may bring about.
 */
export type Mark = string;

/** Where there is no document. */
export const NO_MARK: Mark = '';

export function successorOf(mark: Mark): Mark {
  const [generation = '', origin] = mark.split('.');
  const id = randomBytes(6).toString('hex');
  return mark === NO_MARK ? `1.${id}.${id}` : `${Number(generation) + 1}.${origin}.${id}`;
}

/** Whether it is a later state of the same document. */
export function isLater(mark: Mark, than: Mark): boolean {
  const [generation, origin] = mark.split('.');
  const [other, otherOrigin] = than.split('.');
  return origin === otherOrigin && Number(generation) > Number(other);
}
