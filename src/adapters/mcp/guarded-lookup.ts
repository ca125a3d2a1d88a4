import { type LookupAddress, lookup } from 'node:dns';
import { lookup as resolve } from 'node:dns/promises';
import type { LookupFunction } from 'node:net';
import { whyOutOfReach } from '../../ground/reach.js';

/** A TypeError, as the SDK takes other errors for metadata that is not there. */
export class OutOfReach extends TypeError {}

/**
 * Looks names up as ever, but gives no address that what `from` says must not lead to: who names a host of their own
 * says what address that has.
 */
export function guardedLookup(from: () => string | null): LookupFunction {
  return (name, options, callback) => {
    const asker = from();
    lookup(name, { ...options, all: true }, async (error, found) => {
      if (error) return callback(error, []);
      const why = asker === null || asker === name ? null : await whyNot(asker, found);
      if (why !== null) return callback(new OutOfReach(`${name}: ${why}`), []);
      const [first] = found;
      if (options.all) callback(null, found);
      else callback(null, first?.address ?? '', first?.family);
    });
  };
}

/** A server on a network of one's own may have a name, too. */
async function whyNot(asker: string, found: readonly LookupAddress[]): Promise<string | null> {
  const wrong = found.map(({ address }) => whyOutOfReach(asker, address)).find((why) => why !== null) ?? null;
  if (wrong === null) return null;
  const theirs = await resolve(asker.replace(/^\[|\]$/g, ''), { all: true }).catch(() => []);
  const reached = found.every(({ address }) => theirs.some((one) => whyOutOfReach(one.address, address) === null));
  return reached ? null : wrong;
}
