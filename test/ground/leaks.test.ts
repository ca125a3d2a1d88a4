import { expect, it } from 'vitest';
import type { RemoteEntry } from '../../src/ground/entry.js';
import { leaksIn, secretsOf } from '../../src/ground/leaks.js';
import { Secret } from '../../src/ground/secret.js';
import { readToken } from '../../src/ground/token.js';

const token = readToken(
  { name: 'a', file: 'a.json', at: [] },
  { access_token: 'made-up-"access"', refresh_token: 'made-up-refresh' },
  null,
);
const entry: RemoteEntry = {
  kind: 'remote',
  key: 'k',
  file: 'f',
  url: 'http://k',
  sse: false,
  token: null,
  headers: { Authorization: new Secret('Bearer made-up-key'), 'X-Short': new Secret('abc'), 'X-Open': 'made-up-open' },
};
const secrets = secretsOf([token], [entry]);

it.each([
  ['made-up-refresh', ['the refresh token of a']],
  ['x made-up-"access" y', ['the access token of a']],
  [JSON.stringify({ a: 'made-up-"access"' }), ['the access token of a']],
  ['{"key": "made-up-key"}', ['the Authorization of server k']],
  ['abc made-up-open Bearer', []],
])('%s', (text, whose) => {
  expect(leaksIn(text, secrets)).toEqual(whose);
});
