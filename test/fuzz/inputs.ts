import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Root } from '../fixtures/root.js';
import type { Dice } from './dice.js';
import { hostileText, mutated, SECRET, writtenBy } from './hostile.js';

/** What was written, by path. */
export type Inputs = Map<string, Buffer>;

const ENDPOINT = 'https://as.test/token';
const TOKEN = {
  provider: 'p',
  access_token: `${SECRET}-access`,
  refresh_token: `${SECRET}-refresh`,
  token_type: 'Bearer',
  expires_in: 3600,
  expires_at: 1_700_000_000,
  expires_at_human: '2023-11-14 22:13:20 UTC',
  saved_at: '2023-11-14 21:13:20 UTC',
  scope: 'a b',
  client_id: 'c',
  client_secret: `${SECRET}-client`,
  token_endpoint: ENDPOINT,
};
const STORE = {
  user_tokens: { one: TOKEN, two: { ...TOKEN, refresh_token: `${SECRET}-other`, refreshed_at: 1_700_000_000.5 } },
  client_credentials: { ...TOKEN, obtained_at: 1_700_000_000 },
  last_updated: 1_700_000_000,
};
const SERVER = {
  server_name: 'Server',
  path: '/server',
  mcp_endpoint: 'https://s.test/mcp',
  proxy_pass_url: 'https://s.test/',
  supported_transports: ['streamable-http', 'sse'],
  auth_type: 'oauth',
  auth_provider: 'p',
  token: 'p-server',
  headers: [{ 'X-API-Key': '$KEY', 'X-Other': 'plain' }],
  is_enabled: true,
};
const COMMAND = { server_name: 'Local', path: '/local', command: 'npx', args: ['-y', 'x'], env: { API_TOKEN: '$KEY' } };
const PROVIDER = {
  provider: 'p',
  display_name: 'P',
  token_endpoint: 'https://{tenant}.as.test/token',
  grant_type: 'refresh_token',
  scopes: ['a'],
  parameters: { token: { x: 'y' }, authorize: { prompt: 'consent' } },
  environment: { client_id: ['P_ID'], client_secret: 'P_SECRET', tenant: 'P_TENANT' },
  quirks: { aliases: { tenant: ['tenant_id'] }, headers: { 'X-Tenant': '{tenant}' }, dead_codes: ['gone'] },
};
const WANTED = { name: 'wanted', provider: 'p', grant_type: 'client_credentials', scope: 's' };
const STATE = { '/server': true, '/local': false };

const KINDS: readonly [path: string, document: object][] = [
  ['.oauth-tokens/p-server-egress.json', TOKEN],
  ['.oauth-tokens/ingress.json', TOKEN],
  ['.oauth-tokens/p-copy-egress.json', TOKEN],
  ['.oauth-tokens/agent-a.json', { client_id: 'c', client_secret: `${SECRET}-agent` }],
  ['.oauth-tokens/agent-a-token.json', TOKEN],
  ['.kroger_tokens.json', STORE],
  ['.mcp_tokens_readonly.json', TOKEN],
  ['registry/servers/server.json', SERVER],
  ['registry/servers/local.json', COMMAND],
  ['registry/servers/server_state.json', STATE],
  ['registry/providers/p.json', PROVIDER],
  ['registry/tokens/wanted.json', WANTED],
];

/** A root with some of everything, much of it odd. */
export function rootOf(dice: Dice): { readonly root: Root; readonly inputs: Inputs } {
  const root = new Root();
  const inputs: Inputs = new Map();
  const put = (path: string, bytes: Buffer): void => {
    mkdirSync(dirname(root.full(path)), { recursive: true, mode: 0o700 });
    writeFileSync(root.full(path), bytes, { mode: 0o600 });
    inputs.set(path, bytes);
  };
  for (const [path, document] of KINDS) {
    if (dice.oneIn(5)) continue;
    const asIs = dice.oneIn(3);
    put(path, asIs ? Buffer.from(JSON.stringify(document)) : writtenBy(dice, mutated(dice, document)));
  }
  const value = (): string => (dice.oneIn(3) ? hostileText(dice) : 'made-up');
  const lines = [`P_ID=${value()}`, `P_TENANT=${value()}`, `P_SECRET=${SECRET}-env`, `KEY="${SECRET}-key"`];
  if (dice.oneIn(2)) put('.env', Buffer.from([hostileText(dice), ...lines].join(dice.pick(['\n', '\r\n', '\r']))));
  return { root, inputs };
}
