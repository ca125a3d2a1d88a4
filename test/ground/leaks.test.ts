import { expect, it } from 'vitest';
import type { CommandEntry, RemoteEntry } from '../../src/ground/entry.js';
import { leakFinder, secretsOf } from '../../src/ground/leaks.js';
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
  url: 'http://k/?key=made-up-parameter',
  openUrl: 'http://k/',
  sse: false,
  token: null,
  headers: { Authorization: new Secret('Bearer made-up-key'), 'X-Short': new Secret('abc'), 'X-Open': 'made-up-open' },
};
const command: CommandEntry = {
  kind: 'command',
  key: 'c',
  file: 'f',
  command: 'x',
  args: [new Secret('made-up-argument')],
  env: { PLACE: new Secret('made-up-place') },
};
const finder = leakFinder(secretsOf([token], [entry, command]));

it.each<[document: unknown, leaks: [pointer: string, what: string][]]>([
  ['made-up-refresh', [['', 'the refresh token of a']]],
  ['x made-up-"access" y', [['', 'the access token of a']]],
  [{ a: 'made-up-"access"' }, [['/a', 'the access token of a']]],
  [{ 'a/b': ['made-up-key'] }, [['/a~1b/0', 'the Authorization of server k']]],
  [{ 'made-up-key': 1 }, [['/made-up-key', 'the Authorization of server k']]],
  [
    { a: 'made-up-parameter made-up-argument' },
    [
      ['/a', 'a secret in the address of server k'],
      ['/a', 'a secret among the args of server c'],
    ],
  ],
  [{ a: Buffer.from('id:made-up-place').toString('base64') }, [['/a', 'the PLACE of server c']]],
  ['abc made-up-open', []],
  // What nobody knows, by its look and by its place.
  [{ env: { LEVEL: 'info', GITHUB_TOKEN: 'x1' } }, [['/env/GITHUB_TOKEN', 'what looks like a secret']]],
  [{ k: { headers: { 'X-Odd': 'a thing', Accept: 'a/b' } } }, [['/k/headers/X-Odd', 'what looks like a secret']]],
  [{ args: ['/own/path/of-some-0Ab1C2d3E4f5G6h7', '--api-key', 'x1'] }, [['/args/2', 'what looks like a secret']]],
  [{ url: 'https://u:p@x.test' }, [['/url', 'what looks like a secret']]],
  [{ note: 'ghp_0123456789' }, [['/note', 'what looks like a secret']]],
])('%j', (document, leaks) => {
  const found = finder.in(document, ['/own/path/of-some-0Ab1C2d3E4f5G6h7']);
  expect(found.map(({ pointer, what }) => [pointer, what])).toEqual(leaks);
});
