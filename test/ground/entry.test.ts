import { describe, expect, it } from 'vitest';
import { type JoinInput, joinServers } from '../../src/ground/entry.js';
import type { Provider } from '../../src/ground/provider.js';
import { readServer, type Server } from '../../src/ground/server.js';
import { readToken, type Token, tokenName } from '../../src/ground/token.js';

function server(definition: object, file = 'one.json'): Server {
  const read = readServer(file, {
    path: `/${file.replace('.json', '')}`,
    proxy_pass_url: 'http://own.test',
    ...definition,
  });
  if (!read) throw new Error('no server');
  return read;
}

function token(name: string, fields: object = {}): Token {
  const file = `.oauth-tokens/${name}.json`;
  return readToken({ name: tokenName(file), file, at: [] }, { access_token: `access-${name}`, ...fields }, null);
}

function join(input: Partial<JoinInput>) {
  const empty: JoinInput = {
    servers: [],
    switchedOff: new Set(),
    tokens: [],
    providers: new Map(),
    environment: {},
    registryUrl: null,
  };
  return joinServers({ ...empty, ...input });
}

/** The entry of the first server, its secrets revealed. */
function headersOf(input: Partial<JoinInput>): Record<string, string> | string | null {
  const [listing] = join(input).listings;
  if (listing?.entry?.kind !== 'remote') return listing?.reason ?? null;
  const shown = Object.entries(listing.entry.headers).map(([name, value]) => {
    return [name, typeof value === 'string' ? value : value.reveal()];
  });
  return Object.fromEntries(shown);
}

const GATEWAY = 'https://gateway.test';
const oauth = { auth_type: 'oauth', auth_provider: 'acme' };
const acme = token('acme-one-egress', { provider: 'acme' });
const bearer = { Authorization: 'Bearer access-acme-one-egress' };
const cognito = token('ingress', { client_id: 'c', user_pool_id: 'u', region: 'r' });
const agent = token('agent-ai-coding-assistant-m2m-token', {
  client_id: 'a',
  keycloak_realm: 'k',
  keycloak_url: 'https://k',
});
const gateway = {
  'X-Authorization': 'Bearer access-ingress',
  'X-Client-Id': 'c',
  'X-User-Pool-Id': 'u',
  'X-Region': 'r',
};
const agentHeaders = {
  'X-Authorization': 'Bearer access-agent-ai-coding-assistant-m2m-token',
  'X-Client-Id': 'a',
  'X-Keycloak-Realm': 'k',
  'X-Keycloak-URL': 'https://k',
};
const clouded: Provider = {
  ...({} as Provider),
  name: 'acme',
  headers: { 'X-Cloud': '{cloud_id}' },
};

describe('headers', () => {
  it.each<[what: string, input: Partial<JoinInput>, headers: object | RegExp]>([
    ['open', { servers: [server({})] }, {}],
    ['OAuth', { servers: [server(oauth)], tokens: [acme] }, bearer],
    ['OAuth without a token', { servers: [server(oauth)] }, /token-refresher login one/],
    [
      'OAuth with one that is no header',
      { servers: [server(oauth)], tokens: [token('acme-one-egress', { provider: 'acme', access_token: 'a b' })] },
      /acme-one cannot be used/,
    ],
    [
      'OAuth, and a header of its own',
      {
        servers: [server({ ...oauth, headers: [{ 'X-A': '$A', Authorization: 'Bearer $NONE' }] })],
        tokens: [acme],
        environment: { A: '1' },
      },
      { ...bearer, 'X-A': '1' },
    ],
    [
      'OAuth without a token, but Authorization from the environment',
      { servers: [server({ ...oauth, headers: [{ Authorization: 'Bearer $T' }] })], environment: { T: 'from-env' } },
      { Authorization: 'Bearer from-env' },
    ],
    [
      'what the provider wants beside',
      {
        servers: [server(oauth)],
        tokens: [token('acme-one-egress', { provider: 'acme', cloud_id: '7' })],
        providers: new Map([['acme', clouded]]),
      },
      { ...bearer, 'X-Cloud': '7' },
    ],
    [
      'what it wants, but the file lacks',
      { servers: [server(oauth)], tokens: [acme], providers: new Map([['acme', clouded]]) },
      bearer,
    ],
    ['the gateway', { servers: [server({})], tokens: [cognito], registryUrl: GATEWAY }, gateway],
    [
      'the gateway and OAuth',
      { servers: [server(oauth)], tokens: [cognito, acme], registryUrl: GATEWAY },
      { ...bearer, ...gateway },
    ],
    ['no gateway without a registry URL', { servers: [server({})], tokens: [cognito] }, {}],
    [
      'Keycloak',
      {
        servers: [server({})],
        tokens: [cognito, agent],
        registryUrl: GATEWAY,
        environment: { AUTH_PROVIDER: 'keycloak' },
      },
      agentHeaders,
    ],
    [
      'Keycloak without an agent',
      { servers: [server({})], tokens: [cognito], registryUrl: GATEWAY, environment: { AUTH_PROVIDER: 'keycloak' } },
      gateway,
    ],
    [
      'an API key',
      { servers: [server({ auth_type: 'api_key', headers: [{ 'X-Key': '${KEY}' }] })], environment: { KEY: 'k' } },
      { 'X-Key': 'k' },
    ],
    [
      'an API key that is not set',
      { servers: [server({ auth_type: 'api_key', headers: [{ 'X-Key': '$KEY' }] })] },
      /X-Key needs KEY/,
    ],
    ['an API key that is named nowhere', { servers: [server({ auth_type: 'api_key' })] }, /api_key/],
  ])('%s', (_, input, expected) => {
    if (expected instanceof RegExp) expect(headersOf(input)).toMatch(expected);
    else expect(headersOf(input)).toEqual(expected);
  });
});

describe('entries', () => {
  const keys = (input: Partial<JoinInput>) => join(input).listings.map(({ key, entry }) => (entry ? key : `-${key}`));

  it('one path by two files, and one in the way of the suffix', () => {
    const servers = ['c', 'a', 'b'].map((name) => server({ path: name === 'c' ? '/x-2' : '/x' }, `${name}.json`));
    const { listings, warnings } = join({ servers });
    expect(new Set(listings.map(({ key }) => key)).size).toBe(3);
    expect(warnings[0]).toEqual({ file: 'b.json', message: expect.stringContaining('a.json') });
  });

  it('tokens without a definition, once, and only behind a registry', () => {
    const tokens = [acme, token('acme-two-egress', { provider: 'acme' }), cognito];
    expect(keys({ tokens })).toEqual([]);
    expect(keys({ tokens, registryUrl: GATEWAY })).toEqual(['one', 'two']);
    expect(keys({ tokens, registryUrl: GATEWAY, servers: [server(oauth)] })).toEqual(['one', 'two']);
    expect(keys({ tokens, registryUrl: GATEWAY, servers: [server({ ...oauth, is_enabled: false })] })).toEqual([
      '-one',
      'two',
    ]);
  });

  it('a server that is off needs no attention, one that lacks a token does', () => {
    const wanted = (input: Partial<JoinInput>) => join(input).listings.map((one) => one.wanted);
    expect(wanted({ servers: [server({ is_enabled: false })] })).toEqual([false]);
    expect(wanted({ servers: [server({})], switchedOff: new Set(['one']) })).toEqual([false]);
    expect(wanted({ servers: [server(oauth)] })).toEqual([true]);
  });

  it('equal inputs in any order, equal listings', () => {
    const servers = ['b', 'a', 'c'].map((name) => server({}, `${name}.json`));
    const order = (some: Server[]) => join({ servers: some }).listings.map(({ key }) => key);
    expect(order(servers)).toEqual(['a', 'b', 'c']);
    expect(order(servers.toReversed())).toEqual(['a', 'b', 'c']);
  });
});
