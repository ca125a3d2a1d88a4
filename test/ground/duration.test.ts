import { describe, expect, it } from 'vitest';
import { duration, relative } from '../../src/ground/duration.js';

describe('lengths of time', () => {
  it.each([
    [0, '0 seconds', 'in 0 s'],
    [1, '1 second', 'in 1 s'],
    [59, '59 seconds', 'in 59 s'],
    [89, '89 seconds', 'in 89 s'],
    [90, '2 minutes', 'in 2 min'],
    [45 * 60, '45 minutes', 'in 45 min'],
    [89 * 60, '89 minutes', 'in 89 min'],
    [2 * 3600, '2 hours', 'in 2 h'],
    [35 * 3600, '35 hours', 'in 35 h'],
    [2 * 86_400, '2 days', 'in 2 d'],
    [30 * 86_400, '30 days', 'in 30 d'],
    [-45 * 60, '45 minutes', '45 min ago'],
    [-1, '1 second', '1 s ago'],
  ])('%d s', (seconds, long, short) => {
    expect(duration(seconds)).toBe(long);
    expect(relative(seconds)).toBe(short);
  });
});
