import { describe, expect, it } from 'vitest';
import { errorOf } from '../../src/bridge/failures.js';
import { joinServers } from '../../src/ground/entry.js';
import { globBase } from '../../src/ground/glob.js';
import { cleanToken } from '../../src/ground/pasted.js';
import { redactor } from '../../src/ground/redaction.js';
import { keyOf, readServer, serverUrl, trimSlashes } from '../../src/ground/server.js';
import { readSeconds, tokenName } from '../../src/ground/token.js';
import { trimEnd, trimEnds } from '../../src/ground/trim.js';
import { HttpFailure } from '../../src/ports/mcp.js';
import { appFor } from '../fixtures/app.js';
import { Root } from '../fixtures/root.js';

/** So long that whatever grows with the square of it would not end before the test is given up. */
const LENGTH = 2_000_000;
const run = (text: string): string => text.repeat(LENGTH / text.length);
const server = (more: object) => readServer('s.json', { server_name: 's', ...more });

describe('a long text of others costs no more than its length', () => {
  it.each<[what: string, use: () => unknown]>([
    ['slashes in a path', () => trimSlashes(`a${run('/')}b`)],
    ['dashes in a name', () => keyOf(`a${run('-')}b`)],
    ['odd characters in a name', () => keyOf(`a${run('-!')}b`)],
    ['slashes in an address', () => server({ proxy_pass_url: `https://s.test/a${run('/')}b` })],
    ['slashes at the end of one', () => server({ proxy_pass_url: `https://s.test/a${run('/')}` })],
    ['question marks and line breaks in one', () => server({ proxy_pass_url: `https://s.test/${run('?\n')}` })],
    ['slashes in a registry URL', () => serverUrl({ path: '/p', ownUrl: null, sse: false }, `https://g${run('/')}x`)],
    ['quotation marks in what is pasted', () => cleanToken(`a${run('"')}b`)],
    ['blanks in what is pasted', () => cleanToken(`authorization${run(' ')}x`)],
    ['bearers in what is pasted', () => cleanToken(run('bearer '))],
    ['blanks in a number', () => readSeconds(`${run(' ')}1x`)],
    ['dashes in a file name', () => tokenName(`${run('-egress')}x.json`)],
    ['a glob of folders', () => globBase(run('a/'))],
    ['brackets in a page', () => errorOf(new HttpFailure(500, '', `${run('<')}`), redactor([]))],
    ['bearers in a page', () => errorOf(new HttpFailure(500, '', run('Bearer ')), redactor([]))],
  ])('%s', (_, use) => {
    use();
  });

  it('ten thousand definitions of one key are told apart', () => {
    const servers = Array.from({ length: 10_000 }, (_, n) => {
      const one = readServer(`${n}.json`, { path: '/same', mcp_endpoint: 'https://s.test/mcp' });
      if (!one) throw new Error('no server');
      return one;
    });
    const { listings } = joinServers({
      servers,
      switchedOff: new Set(),
      tokens: [],
      providers: new Map(),
      environment: {},
      registryUrl: null,
    });
    expect(new Set(listings.map(({ key }) => key)).size).toBe(10_000);
  });
});

describe('trimming', () => {
  it.each([
    ['//a//b//', '/', 'a//b', '//a//b'],
    ['', '/', '', ''],
    ['///', '/', '', ''],
    [`"a"',`, `"',`, 'a', '"a'],
  ])('%j of %j', (text, characters, both, end) => {
    expect(trimEnds(text, characters)).toBe(both);
    expect(trimEnd(text, characters)).toBe(end);
  });
});

it.each(['path', 'server_name', 'proxy_pass_url'])('a %s that is absurdly long is refused by name', async (field) => {
  const value = field === 'proxy_pass_url' ? `https://s.test/${'x'.repeat(9000)}` : `/${'/'.repeat(100_000)}`;
  const root = new Root().write('registry/servers/s.json', { path: '/s', server_name: 's', [field]: value });
  const { app } = await appFor(root.path);
  expect(app.look().world.problems).toMatchObject([
    {
      file: 'registry/servers/s.json',
      pointer: `/${field}`,
      message: expect.stringMatching(/more than \d+ characters/),
    },
  ]);
});
