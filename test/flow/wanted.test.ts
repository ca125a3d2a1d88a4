import { expect, test } from 'vitest';
import { startAuthorizationServer } from '../fixtures/authorization-server.js';
import { call } from '../fixtures/command.js';
import { FaultServer, refusal } from '../fixtures/fault-server.js';
import { start, until } from '../fixtures/program.js';
import { define, open } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';

const FILE = '.oauth-tokens/machine.json';
const WANTED = { name: 'machine', provider: 'acme', grant_type: 'client_credentials', scope: 'read' };
const CREDENTIALS = { ACME_ID: 'client-1', ACME_SECRET: 'made-up-client-secret' };

function acme(root: Root, endpoint: string, more: object = {}): Root {
  return root.write('registry/providers/acme.json', {
    provider: 'acme',
    token_endpoint: endpoint,
    token_endpoint_auth_method: 'client_secret_post',
    environment: {
      client_id: 'ACME_ID',
      client_secret: 'ACME_SECRET',
      username: 'ACME_USER',
      password: 'ACME_PASSWORD',
    },
    ...more,
  });
}

test('is acquired without any file, kept fresh, and given to its server', async () => {
  const root = new Root();
  const server = await startAuthorizationServer();
  acme(root, server.tokenEndpoint, { token_endpoint_auth_method: 'client_secret_basic' });
  root.write('registry/tokens/machine.json', WANTED);
  define(root, 'thing.json', { ...open('thing'), auth_type: 'oauth', token: 'machine' });
  const credentials = { ACME_ID: server.clientId('client_secret_basic'), ACME_SECRET: server.clientSecret };
  expect(await call(root, ['--once'], credentials).ended).toMatchObject({ code: 0, stderr: '' });
  const first = root.json(FILE);
  expect(first).toMatchObject({ provider: 'acme', token_type: 'Bearer' });
  expect(await server.isActive(first.access_token)).toBe(true);
  expect(root.mode(FILE)).toBe(0o600);
  expect(root.json('.oauth-tokens/mcp.json').mcpServers.thing.headers.Authorization).toBe(
    `Bearer ${first.access_token}`,
  );

  root.write(FILE, { ...first, expires_at: 1 });
  root.remove('.token-refresher');
  expect(await call(root, ['--once'], credentials).ended).toMatchObject({ code: 0 });
  const second = root.json(FILE);
  expect(second.access_token).not.toBe(first.access_token);
  expect(second.expires_at_human).toMatch(/^20\d\d-.* UTC$/);
});

test('appears in the daemon as soon as it is wanted, and again when its file is deleted', async () => {
  const root = new Root();
  const server = await FaultServer.start();
  acme(root, server.url);
  start(root.path, [], CREDENTIALS);
  await until(() => root.has('.oauth-tokens/mcp.json'), 'the first cycle');
  root.write('registry/tokens/machine.json', { ...WANTED, audience: 'api', resource: 'https://api.test' });
  await until(() => root.has(FILE), 'the token');
  expect(server.asked[0]?.parameters).toMatchObject({ scope: 'read', audience: 'api', resource: 'https://api.test' });
  root.remove(FILE);
  await until(() => root.has(FILE), 'the token again');
});

test('what it lacks is named, and a definition that is wrong is a problem of its file', async () => {
  const root = new Root();
  acme(root, 'https://login.test/token');
  root.write('registry/tokens/machine.json', WANTED);
  root.write('registry/tokens/bad.json', { name: '../evil', provider: 'acme', grant_type: 'client_credentials' });
  root.write('registry/tokens/twin.json', WANTED);
  const { stdout, code } = await call(root, ['status', '--json']).ended;
  expect(code).toBe(0);
  const { tokens, problems } = JSON.parse(stdout);
  expect(tokens).toMatchObject([
    { name: 'machine', state: 'needs_configuration', missing: ['client_id (ACME_ID)', 'client_secret (ACME_SECRET)'] },
  ]);
  expect(problems).toMatchObject([
    { file: 'registry/tokens/bad.json', pointer: '/name' },
    { file: 'registry/tokens/twin.json', pointer: '/name' },
  ]);
});

test('a password that is refused is never sent again, nor to "common"', async () => {
  const root = new Root();
  const server = await FaultServer.start();
  acme(root, `http://127.0.0.1:${server.port}/{tenant}/token`, {
    environment: {
      client_id: 'AZURE_CLIENT_ID',
      client_secret: 'AZURE_CLIENT_SECRET',
      tenant: 'AZURE_TENANT_ID',
      username: 'AGENT_USER_NAME',
      password: 'AGENT_PASSWORD',
    },
  });
  root.write('registry/tokens/agent.json', { name: 'agent', provider: 'acme', grant_type: 'password', scope: 'read' });
  const environment = {
    AZURE_CLIENT_ID: 'client-1',
    AZURE_CLIENT_SECRET: 'made-up-client-secret',
    AGENT_USER_NAME: 'agent@example.com',
    AGENT_PASSWORD: 'made-up-password',
  };
  const common = await call(root, ['--once'], { ...environment, AZURE_TENANT_ID: 'common' }).ended;
  expect(common.stderr).toContain('never "common"');
  expect(server.asked).toHaveLength(0);

  server.next.push(refusal('invalid_grant', {}, { error_description: 'AADSTS50126: made-up-password is wrong' }));
  for (let n = 0; n < 3; n += 1) {
    const { code, stderr } = await call(root, ['--once'], { ...environment, AZURE_TENANT_ID: 'tenant-1' }).ended;
    expect(code).toBe(1);
    expect(stderr).toContain('invalid_grant');
    expect(stderr + root.text('token_refresher.log')).not.toContain('made-up-password');
  }
  expect(server.asked).toHaveLength(1);
  expect(server.asked[0]?.parameters).toMatchObject({ grant_type: 'password', username: 'agent@example.com' });
  // Another password is another matter.
  await call(root, ['--once'], { ...environment, AZURE_TENANT_ID: 'tenant-1', AGENT_PASSWORD: 'made-up-other' }).ended;
  expect(server.asked).toHaveLength(2);
  expect(root.json('.oauth-tokens/agent.json').access_token).toMatch(/^made-up-access/);
});

test("the gateway's token from the environment alone brings all of the gateway's headers", async () => {
  const root = new Root();
  const server = await FaultServer.start();
  root.write('registry/tokens/ingress.json', {
    name: 'ingress',
    provider: 'keycloak_m2m',
    grant_type: 'client_credentials',
  });
  define(root, 'open.json', open('open'));
  const { code, stderr } = await call(root, ['--once', '--registry-url', 'https://gateway.test'], {
    KEYCLOAK_URL: `http://127.0.0.1:${server.port}`,
    KEYCLOAK_REALM: 'mcp-gateway',
    KEYCLOAK_M2M_CLIENT_ID: 'mcp-gateway-m2m',
    KEYCLOAK_M2M_CLIENT_SECRET: 'made-up-client-secret',
  }).ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const { access_token } = root.json('.oauth-tokens/ingress.json');
  expect(root.json('.oauth-tokens/mcp.json').mcpServers.open.headers).toEqual({
    'X-Authorization': `Bearer ${access_token}`,
    'X-Client-Id': 'mcp-gateway-m2m',
    'X-Keycloak-Realm': 'mcp-gateway',
    'X-Keycloak-URL': `http://127.0.0.1:${server.port}`,
  });
});

test('what is wanted otherwise is acquired anew, and the old token is not passed off as it', async () => {
  const root = new Root();
  const server = await FaultServer.start();
  acme(root, server.url);
  root.write('registry/tokens/machine.json', WANTED);
  expect(await call(root, ['--once'], CREDENTIALS).ended).toMatchObject({ code: 0 });
  expect(root.json(FILE)).toMatchObject({ provider: 'acme', acquired_for: expect.stringContaining('scope=read') });
  for (const [n, change] of [
    { scope: 'write' },
    { scope: 'write', audience: 'api' },
    { provider: 'other' },
  ].entries()) {
    if ('provider' in change) acme(root, server.url, { provider: 'other' });
    root.write('registry/tokens/machine.json', { ...WANTED, ...change });
    server.next.push(refusal('temporarily_unavailable', { status: 503 }));
    expect((await call(root, ['token', 'machine'], CREDENTIALS).ended).code).toBe(1);
    root.remove('.token-refresher');
    expect(await call(root, ['--once'], CREDENTIALS).ended).toMatchObject({ code: 0, stderr: '' });
    expect(server.asked).toHaveLength(1 + 2 * (n + 1));
    const { scope = WANTED.scope } = change as { scope?: string };
    expect(server.asked.at(-1)?.parameters.scope).toBe(scope);
    expect(await call(root, ['--once'], CREDENTIALS).ended).toMatchObject({ code: 0 });
    expect(server.asked).toHaveLength(1 + 2 * (n + 1));
  }
  expect(root.json(FILE).provider).toBe('other');
});
