import { describe, expect, it } from 'vitest';
import { OnlyOthers, tokensIn, type WantedEntry } from '../../src/ground/pasted.js';

const NOTION: WantedEntry = {
  names: ['notion'],
  provider: 'notion-provider',
  addresses: ['https://mcp.notion.test/mcp', 'https://gw.test/notion/mcp'],
};
const of = (name: string) => ({ accessToken: `made-up-${name}`, refreshToken: `made-up-r-${name}` });

/** Whose token is taken of a document; the names when it is nobody's. */
function taken(document: object, wanted = NOTION): unknown {
  const found = tokensIn(document as Record<string, unknown>, wanted);
  if (found instanceof OnlyOthers) return found.others;
  return found?.access_token ?? null;
}

describe('of a store, the token that is wanted', () => {
  it.each<[what: string, document: object]>([
    ['alone', of('n')],
    ['by its key', { atlassian: { tokens: of('a') }, notion: { tokens: of('n') } }],
    ['by its key in other letters', { Atlassian: of('a'), Notion: of('n') }],
    ['by its key and a hash', { mcpOAuth: { 'atlassian|0a1': of('a'), 'notion|9f3': of('n') } }],
    ['by its key and what it is', { 'atlassian-mcp-server': of('a'), 'notion-mcp-server': of('n') }],
    ['by its provider', { other: of('a'), 'notion-provider': of('n') }],
    [
      'by its address',
      {
        one: { tokens: of('a'), serverUrl: 'https://mcp.a.test/mcp' },
        two: { tokens: of('n'), serverUrl: 'https://mcp.notion.test/mcp/' },
      },
    ],
    [
      'by its address through the gateway',
      { one: { ...of('a'), url: 'https://gw.test/a/mcp' }, two: { ...of('n'), url: 'https://gw.test/notion/mcp' } },
    ],
    [
      'by where its address is',
      { one: { ...of('a'), resource: 'https://mcp.a.test' }, two: { ...of('n'), resource: 'https://mcp.notion.test' } },
    ],
    [
      'by an address as its key',
      { 'https://mcp.a.test/mcp': of('a'), '[https://mcp.notion.test/mcp] tokens': of('n') },
    ],
    [
      'by its address, though another has its name',
      {
        notion: { ...of('a'), serverUrl: 'https://mcp.a.test' },
        x: { ...of('n'), serverUrl: 'https://mcp.notion.test/mcp' },
      },
    ],
    [
      'in a list, by its name',
      {
        servers: [
          { name: 'atlassian', ...of('a') },
          { name: 'notion', ...of('n') },
        ],
      },
    ],
    [
      'in a list, by its address',
      {
        items: [
          { server: { url: 'https://mcp.a.test' }, ...of('a') },
          { server_url: 'https://mcp.notion.test/mcp', ...of('n') },
        ],
      },
    ],
    ['by its key, though another has its provider', { 'notion-provider': of('a'), notion: of('n') }],
    ['twice the same', { notion: of('n'), 'notion|2': of('n') }],
    [
      'by its name and its address, where two have its name',
      {
        'notion|1': { ...of('a'), serverUrl: 'https://mcp.a.test' },
        'notion|2': { ...of('n'), serverUrl: 'https://mcp.notion.test' },
      },
    ],
    ['in a wrapper', { token_payload: of('n') }],
    ['in wrappers', { result: { data: { oauthTokens: of('n') } } }],
    ['in a wrapper, with its address', { data: { ...of('n'), serverUrl: 'https://mcp.notion.test/mcp' } }],
    ['the only one, by its name', { notion: of('n') }],
    ['the only one, by its address', { xyz: { ...of('n'), serverUrl: 'https://mcp.notion.test/mcp' } }],
  ])('%s', (_, document) => {
    expect(taken(document)).toBe('made-up-n');
  });

  it.each<[what: string, document: object, names: string[]]>([
    ['several', { atlassian: of('a'), linear: { tokens: of('l') } }, ['atlassian', 'linear']],
    ['one', { atlassian: of('a') }, ['atlassian']],
    ['one, by its address alone', { data: { ...of('a'), serverUrl: 'https://mcp.a.test/mcp' } }, ['data']],
    ['one whose name begins alike', { 'notion-staging': of('a') }, ['notion-staging']],
    ['two of its name', { 'notion|1': of('a'), 'notion|2': of('b') }, ['notion|1', 'notion|2']],
    ['a list without names', { list: [of('a'), of('b')] }, ['list', 'list']],
    ['its provider, elsewhere', { 'notion-provider': { ...of('a'), url: 'https://a.test' } }, ['notion-provider']],
    ['wrappers', { data: of('a'), result: of('b') }, ['data', 'result']],
    [
      'many at one provider',
      {
        a: { ...of('a'), token_endpoint: 'https://mcp.notion.test/token' },
        b: { ...of('b'), auth_server_url: 'https://mcp.notion.test/' },
      },
      ['a', 'b'],
    ],
  ])('never another one: %s', (_, document, names) => {
    expect(taken(document)).toEqual(names);
  });

  it('nothing where there is none', () => {
    expect(taken({ a: { b: 1 }, c: ['x'] })).toBeNull();
    expect(taken(JSON.parse(`${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`))).toBeNull();
  });

  it('where nothing is known of it but its name', () => {
    const wanted = { names: ['notion'], provider: null, addresses: [] };
    expect(taken({ notion: { ...of('n'), serverUrl: 'https://mcp.notion.test/mcp' }, x: of('a') }, wanted)).toBe(
      'made-up-n',
    );
    expect(taken({ x: of('a') }, wanted)).toEqual(['x']);
  });
});

describe('times that stand beside an answer', () => {
  it.each<[document: object, times: object]>([
    [
      { token_payload: { ...of('n'), expires_in: 60 }, expires_at: 'T' },
      { expires_at: 'T', expires_in: 60 },
    ],
    [{ token_payload: { ...of('n'), expires_at: 'inner' }, expiresAt: 'T' }, { expires_at: 'inner' }],
    [
      { data: { tokens: of('n'), saved_at: 1 }, saved_at: 2, expires_on: 3 },
      { saved_at: 1, expires_at: 3 },
    ],
    [{ expires_at: 'T', access_token: 'a', note: { expires_at: 'no' } }, { expires_at: 'T' }],
  ])('%j', (document, times) => {
    expect(tokensIn(document as Record<string, unknown>, NOTION)).toMatchObject(times);
  });
});
