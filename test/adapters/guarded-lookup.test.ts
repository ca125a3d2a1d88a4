import { expect, it } from 'vitest';
import { guardedLookup, OutOfReach } from '../../src/adapters/mcp/guarded-lookup.js';

function lookUp(from: string | null, all: boolean): Promise<unknown> {
  return new Promise((resolve) => {
    guardedLookup(() => from)('localhost', { all, family: 4 }, (error, address) => resolve(error ?? address));
  });
}

it.each([
  ['nobody', null],
  ['the same name', 'localhost'],
  ['a server on this machine', '127.0.0.9'],
])('a name that stands for this machine is looked up for %s', async (_, from) => {
  expect(await lookUp(from, false)).toBe('127.0.0.1');
  expect(await lookUp(from, true)).toEqual([{ address: '127.0.0.1', family: 4 }]);
});

it.each(['203.0.113.7', '10.1.2.3', 'elsewhere.invalid'])('but not because %s says so', async (from) => {
  for (const all of [true, false]) {
    const error = await lookUp(from, all);
    expect(error).toBeInstanceOf(OutOfReach);
    expect(String(error)).toContain('localhost: 127.0.0.1 is this machine itself');
  }
});
