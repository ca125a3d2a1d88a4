import { describe, expect, it } from 'vitest';
import { joinServers } from '../../src/ground/entry.js';
import { leakFinder, secretsOf } from '../../src/ground/leaks.js';
import { templateContext } from '../../src/ground/rendering.js';
import { misreadIn, readServer } from '../../src/ground/server.js';
import { readToken } from '../../src/ground/token.js';

const S = 'made-up-s3cret';
const HEADER = { 'X-Thing': S };
const self = ['/opt/node/bin/node', '/opt/program/main.cjs', '--root', '/r'];
const token = readToken({ name: 't', file: 't.json', at: [] }, { access_token: 'plainword' }, null);

function rendered(definition: object, environment: Record<string, string> = {}) {
  const remote = 'command' in definition ? {} : { proxy_pass_url: 'https://own.test' };
  const whole = { path: '/k', ...remote, ...definition };
  const server = readServer('k.json', whole);
  if (!server) throw new Error('no server');
  const { listings } = joinServers({
    servers: [server],
    switchedOff: new Set(),
    tokens: [token],
    providers: new Map(),
    environment,
    registryUrl: null,
  });
  const entries = listings.flatMap(({ entry }) => (entry ? [entry] : []));
  const context = (delivery: 'live' | 'http') =>
    templateContext('/r', entries, self, delivery, (secret) => secret.reveal()).servers[0];
  const reason = listings[0]?.reason ?? null;
  return { entries, live: context('live'), http: context('http'), reason, misread: misreadIn(whole) };
}

const RANDOM = 'Zm9vYmFy0xQ7dPq2LkR9';
const DEFINITIONS: readonly (readonly [name: string, definition: object, secret?: string])[] = [
  ['headers, a map', { headers: HEADER }],
  ['headers, a list of maps', { headers: [{ Accept: 'text/plain' }, HEADER] }],
  ['headers, a list of pairs', { headers: [{ name: 'X-Thing', value: S }] }],
  ['a pair called Authorization', { headers: [{ name: 'Authorization', value: `Bearer ${S}` }] }],
  ['a pair in capital letters', { headers: [{ Name: 'X-Thing', Value: S }] }],
  ['a pair of key and value', { headers: [{ key: 'X-Thing', value: S }] }],
  ['a pair of header and value', { headers: [{ header: 'X-Thing', value: S }] }],
  ['a pair without a list', { headers: { name: 'X-Thing', value: S } }],
  ['a map of objects', { headers: { 'X-Thing': { value: S, isSecret: true } } }],
  ['a list of lines', { headers: [`X-Thing: ${S}`] }],
  [
    'a pair as the registry has it',
    { headers: [{ name: 'X-Thing', value: S, isSecret: true, isRequired: true, description: 'x' }] },
  ],
  ['a default as the registry has it', { headers: [{ name: 'X-Thing', default: S, is_secret: true }] }],
  [
    'a variable as the registry has it',
    { headers: [{ name: 'X-Thing', value: 'Key {k}', variables: { k: { value: S } } }] },
  ],
  [
    'a harmless name and a word, said to be secret',
    { headers: [{ name: 'Accept', value: 'hushword', isSecret: true }] },
    'hushword',
  ],
  [
    'a header of every client with what looks like one',
    { headers: { 'User-Agent': 'x ghp_0123456789abcdef' } },
    'ghp_0123456789abcdef',
  ],
  ['a cookie of one digit', { headers: { Cookie: '7' } }, '"7"'],
  ['a word that is a token', { headers: { Accept: 'plainword' } }, 'plainword'],
  ['an account in the address', { proxy_pass_url: `https://u:${S}@own.test/` }],
  ['a user alone in the address', { proxy_pass_url: `https://${S}@own.test/` }],
  ['a key in the address', { mcp_endpoint: `https://own.test/mcp?api_key=${S}&x=1` }],
  ['a code in the address', { mcp_endpoint: 'https://own.test/mcp?code=hushword' }, 'hushword'],
  ['something random in the address', { mcp_endpoint: `https://own.test/mcp?x=${RANDOM}` }, RANDOM],
  ['a piece of the path', { mcp_endpoint: `https://own.test/s/${RANDOM}/mcp` }, RANDOM],
  ['a fragment', { mcp_endpoint: `https://own.test/mcp#access_token=${S}` }],
  ['a word of the address that is a token', { mcp_endpoint: 'https://own.test/plainword/mcp' }, 'plainword'],
  ['GITHUB_TOKEN', { command: 'c', env: { GITHUB_TOKEN: S, LOG_LEVEL: 'info' } }],
  ...[
    'API_KEY',
    'CLIENT_SECRET',
    'DB_PASSWORD',
    'DB_PASS',
    'PGPASSWORD',
    'AWS_CREDENTIALS',
    'AUTH',
    'SESSION_COOKIE',
    'GH_PAT',
  ].map((name) => [name, { command: 'c', env: { [name]: 'hushword' } }, 'hushword'] as const),
  ['a variable of an open name', { command: 'c', env: { THING: S } }],
  ['an address with an account in a variable', { command: 'c', env: { DATABASE_URL: `postgres://u:${S}@h/db` } }],
  ['variables, pairs', { command: 'c', env: [{ name: 'GITHUB_TOKEN', value: S }] }],
  [
    'variables as the registry has them',
    { command: 'c', env: [{ name: 'LEVEL', value: 'hushword', isSecret: true }] },
    'hushword',
  ],
  ['variables, lines', { command: 'c', env: [`GITHUB_TOKEN=${S}`] }],
  ['a variable that is a token', { command: 'c', env: { LEVEL: 'plainword' } }, 'plainword'],
  ...[
    [`--api-key=${S}`],
    ['--api-key', 'hushword'],
    ['--token', S],
    ['-token', S],
    ['--password', S],
    ['--header', `Authorization: Bearer ${S}`],
    ['--header', `X-Thing:${S}`],
    ['-H', `X-Thing: ${S}`],
    ['-u', `name:${S}`],
    ['-e', `GITHUB_TOKEN=${S}`],
    ['run', '-e', 'API_KEY=hushword'],
    [`API_KEY=${S}`],
    [`https://u:${S}@own.test`],
    [`https://own.test/mcp?key=${S}`],
    ['-c', `TOKEN=${S} serve`, '--auth-token', 'hushword'],
    ['ghp_0123456789abcdef'],
    ['eyJhbGciOiJub25l.e30.'],
    [RANDOM],
    ['plainword'],
  ].map(
    (args) =>
      [
        `args ${args.join(' ')}`,
        { command: 'c', args },
        [S, RANDOM, 'hushword', 'plainword', 'ghp_0123456789abcdef', 'eyJhbGciOiJub25l'].find((one) =>
          args.some((word) => word.includes(one)),
        ) ?? '',
      ] as const,
  ),
];

describe('what a definition holds', () => {
  it.each(DEFINITIONS.map(([name, definition, secret = S]) => ({ name, definition, secret })))(
    '$name',
    ({ definition, secret }) => {
      const { live, http, entries, misread, reason } = rendered(definition);
      expect({ misread, reason }).toEqual({ misread: [], reason: null });
      expect(live).toMatchObject({ kind: 'bridge', args: [...self.slice(1), 'bridge', 'k'], headers: null });
      expect(JSON.stringify(live)).not.toContain(secret);
      // Who is only told headers needs the whole address.
      if (http?.url?.includes(secret)) expect(live?.helper).toBeNull();
      expect(leakFinder(secretsOf([token], entries)).in(live, self)).toEqual([]);
      // What is delivered with its secrets is what it was.
      expect(JSON.stringify(http)).toContain(secret);
      expect(Object.keys(http?.headers ?? {}).map((name) => name.toLowerCase())).not.toContain('name');
      expect(leakFinder(secretsOf([token], entries)).in(http, self)).not.toEqual([]);
    },
  );

  it.each<[definition: object]>([
    [{}],
    [{ headers: null }],
    [{ headers: [] }],
    [{ headers: { Accept: 'application/json', 'X-MCP-Readonly': 'true', 'Accept-Language': 'de-DE' } }],
    [{ headers: [{ name: 'X-Count', value: 3 }] }],
    [{ headers: [{ name: 'X-Not-Needed', description: 'x', isRequired: false }] }],
    [{ mcp_endpoint: 'https://own.test/v1/mcp?read_only=true&toolsets=a,b' }],
    [{ command: 'npx', args: ['-y', '@acme/server@1.2.3', '--log-level', 'debug', '--no-auth', '--port=80'] }],
    [
      {
        command: 'c',
        env: { LOG_LEVEL: 'info', PORT: '80', DATA_DIR: '/srv/x', BASE_URL: 'https://x.test/', DEBUG: '' },
      },
    ],
  ])('%j is open, and stays what it is', (definition) => {
    const { live, http } = rendered(definition);
    expect(live).toEqual(http);
    expect(live?.kind).not.toBe('bridge');
  });
});

describe('a header', () => {
  it.each<[headers: unknown, environment: Record<string, string>, sent: Record<string, string> | string]>([
    [[{ name: 'X-A', value: '1' }, { 'X-B': '2' }, 'X-C: 3'], {}, { 'X-A': '1', 'X-B': '2', 'X-C': '3' }],
    [[{ name: 'Authorization', value: 'Bearer $T' }], { T: 'tt' }, { Authorization: 'Bearer tt' }],
    [
      [{ name: 'X-A', value: '{a}-{b}-{c}', variables: { a: { value: 'x' }, b: { default: 'y' }, c: {} } }],
      { C: 'z' },
      { 'X-A': 'x-y-z' },
    ],
    [[{ name: 'X-Api-Key', isSecret: true }], { X_API_KEY: 'kk' }, { 'X-Api-Key': 'kk' }],
    [[{ name: 'X-Api-Key', isRequired: true }], {}, 'X-Api-Key needs X_API_KEY, which the environment does not set'],
    [{ key: 'kk', header: 'hh' }, {}, { key: 'kk', header: 'hh' }],
  ])('%j', (headers, environment, sent) => {
    const { http, reason } = rendered({ headers }, environment);
    expect(reason ?? http?.headers).toEqual(sent);
  });

  it.each<[definition: object, pointer: string]>([
    [{ headers: [{ name: 'X-A' }] }, '/headers/0/value'],
    [{ headers: { name: 'X-A' } }, '/headers/value'],
    [{ headers: [{ value: S }] }, '/headers/0'],
    [{ headers: [{}, { name: 'not a name', value: S }] }, '/headers/1'],
    [{ headers: { 'X-A': [S] } }, '/headers/X-A'],
    [{ headers: ['no-colon-here'] }, '/headers/0'],
    [{ headers: [7] }, '/headers/0'],
    [{ env: { A: null } }, '/env/A'],
    [{ env: [{ name: 'A=B', value: '' }] }, '/env/0'],
  ])('that cannot be understood is named: %j', (definition, pointer) => {
    const misread = misreadIn({ path: '/k', ...definition });
    expect(misread.map((one) => one.pointer)).toEqual([pointer]);
    expect(misread.map((one) => one.message).join()).not.toContain(S);
  });
});

it('a command that is a secret itself is left out, and said', () => {
  expect(rendered({ command: `TOKEN=${S} serve` }).reason).toBe('its command holds a secret; put that into "env"');
});
