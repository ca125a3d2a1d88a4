import { expect, test } from 'vitest';
import { REDIS } from '../fixtures/redis-server.js';
import { disturb } from '../soak/violence.js';

/** The long version, with more tokens that live shorter: npm run soak:machines */
test.skipIf(!REDIS || process.platform !== 'linux')(
  'three machines share tokens through kills, stops, cut lines and restarts of Redis',
  { timeout: 300_000 },
  async () => {
    const figures = await disturb({ tokens: 12, lasts: 20, seed: 3, calm: 1, lifetime: 9, late: null });
    expect({ refused: figures.refused, failures: figures.failures }).toEqual({ refused: [], failures: [] });
    expect(figures).toMatchObject({ restarts: 2 });
    expect(figures.kills + figures.stops + figures.cuts).toBeGreaterThan(1);
  },
);
