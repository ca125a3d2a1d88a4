import { readlinkSync, statSync, symlinkSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  type AuthorizationServer,
  type ClientAuthentication,
  startAuthorizationServer,
} from '../fixtures/authorization-server.js';
import { FaultServer, refusal } from '../fixtures/fault-server.js';
import { expectBetween, now } from '../fixtures/moments.js';
import { run } from '../fixtures/program.js';
import { Root } from '../fixtures/root.js';

const HOUR = 3600;

async function once(root: Root, environment: Record<string, string> = {}): Promise<void> {
  const { code, stderr } = await run(root.path, ['--once', '--log-level', 'DEBUG'], environment);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  expect(root.text('token_refresher.log')).toContain('successfully refreshed');
  expect(root.text('token_refresher.log')).not.toMatch(/made-up/);
}

/** Due again, as if its time had come. */
function age(root: Root, path: string): void {
  root.write(path, { ...root.json(path), expires_at: 1 });
  root.remove('.token-refresher');
}

describe.each<ClientAuthentication>(['client_secret_basic', 'client_secret_post', 'none'])(
  'with %s',
  (authentication) => {
    const credentials = (server: AuthorizationServer): object => ({
      token_endpoint: server.tokenEndpoint,
      token_endpoint_auth_method: authentication,
      client_id: server.clientId(authentication),
      ...(authentication === 'none' ? {} : { client_secret: server.clientSecret }),
    });

    test('refresh_token, rotated again and again', async () => {
      const root = new Root();
      const server = await startAuthorizationServer();
      const file = '.mcp_tokens_thing.json';
      root.write(file, { refresh_token: await server.login(authentication), ...credentials(server) });
      const seen = new Set<string>();
      for (let n = 0; n < 3; n += 1) {
        const began = now();
        await once(root);
        const { access_token, refresh_token, expires_at } = root.json(file);
        expect(await server.isActive(access_token)).toBe(true);
        expectBetween(expires_at, began + HOUR, now() + HOUR);
        seen.add(refresh_token);
        age(root, file);
      }
      expect(seen.size).toBe(3);
    });

    test.skipIf(authentication === 'none')('client_credentials', async () => {
      const root = new Root();
      const server = await startAuthorizationServer();
      const file = '.oauth-tokens/machine-token.json';
      const grant = { grant_type: 'client_credentials', access_token: 'made-up-old-one', expires_at: 1 };
      root.write(file, { ...grant, ...credentials(server) });
      const began = now();
      await once(root);
      const { access_token, expires_at, refresh_token } = root.json(file);
      expect(await server.isActive(access_token)).toBe(true);
      expectBetween(expires_at, began + 600, now() + 600);
      expect(refresh_token).toBeUndefined();
    });
  },
);

test('a spent refresh token ends the family there, and is parked here', async () => {
  const root = new Root();
  const server = await startAuthorizationServer();
  const file = '.mcp_tokens_thing.json';
  const spent = await server.login('none');
  root.write(file, { refresh_token: spent, token_endpoint: server.tokenEndpoint, client_id: server.clientId('none') });
  await once(root);
  root.write(file, { ...root.json(file), refresh_token: spent });
  age(root, file);
  const { code, stderr } = await run(root.path, ['--once']);
  expect(code).toBe(1);
  expect(stderr).toMatch(/needs login/);
  expect(root.json(file).refresh_token).toBe(spent);
});

interface Shape {
  readonly name: string;
  readonly path: string;
  readonly file: object;
  /** Other files that it needs. */
  readonly beside?: Readonly<Record<string, object>>;
  readonly environment?: (endpoint: string) => Record<string, string>;
  /** The fields that must be new, and of which style; all others must be as they were. */
  readonly changed: Readonly<Record<string, RegExp>>;
}

const ACCESS = /^"made-up-access-00002"$/;
const REFRESH = /^"made-up-refresh-00002"$/;
const FLOAT = /^\d{10}\.\d+$/;
const SPACED = /^"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"$/;
const ISO_OFFSET = /^"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00"$/;

const SHAPES: readonly Shape[] = [
  {
    name: 'a gateway script: epoch float, human twin',
    path: '.oauth-tokens/atlassian-atlassian-egress.json',
    file: {
      provider: 'atlassian',
      access_token: 'made-up-access-00001',
      refresh_token: 'made-up-refresh-00001',
      expires_at: 1763715600.482913,
      expires_at_human: '2025-11-21 09:00:00 UTC',
      cloud_id: '923a213e-e930-4359-be44-f4b164d3f269',
      scopes: ['offline_access', 'read:jira-work'],
      saved_at: '2025-11-21 08:00:00 UTC',
      usage_notes: 'This token is for EGRESS authentication to atlassian external services',
    },
    environment: () => ({ ATLASSIAN_CLIENT_ID: 'client-1', ATLASSIAN_CLIENT_SECRET: 'made-up-client-secret' }),
    changed: {
      access_token: ACCESS,
      refresh_token: REFRESH,
      expires_at: FLOAT,
      expires_at_human: SPACED,
      saved_at: SPACED,
    },
  },
  {
    name: 'the gateway itself: null refresh_token, client_credentials',
    path: '.oauth-tokens/ingress.json',
    file: {
      provider: 'keycloak_m2m',
      access_token: 'made-up-access-00001',
      refresh_token: null,
      expires_at: 1763715900.0,
      expires_at_human: '2025-11-21 09:05:00 UTC',
      token_type: 'Bearer',
      client_id: 'mcp-gateway-m2m',
      saved_at: '2025-11-21 09:00:00 UTC',
      realm: 'mcp-gateway',
      usage_notes: 'This token is for INGRESS authentication',
    },
    environment: () => ({
      KEYCLOAK_M2M_CLIENT_ID: 'mcp-gateway-m2m',
      KEYCLOAK_M2M_CLIENT_SECRET: 'made-up-client-secret',
    }),
    changed: {
      access_token: ACCESS,
      expires_at: /^\d{10}$/,
      expires_at_human: SPACED,
      saved_at: SPACED,
    },
  },
  {
    name: 'an agent: ISO times with an offset, its credentials in a file beside',
    path: '.oauth-tokens/agent-helper-token.json',
    file: {
      agent_name: 'agent-helper',
      access_token: 'made-up-access-00001',
      token_type: 'Bearer',
      expires_in: 300,
      generated_at: '2025-11-21T09:00:00.000000+00:00',
      expires_at: '2025-11-21T09:05:00.000000+00:00',
      provider: 'keycloak',
      scope: 'openid email profile',
      metadata: { generated_by: 'generate_tokens.py', script_version: '1.0' },
    },
    beside: {
      '.oauth-tokens/agent-helper.json': { client_id: 'agent-helper', client_secret: 'made-up-client-secret' },
    },
    changed: {
      access_token: ACCESS,
      expires_in: /^3600$/,
      generated_at: ISO_OFFSET,
      expires_at: ISO_OFFSET,
    },
  },
  {
    name: "the portal's: ISO time without a zone",
    path: '.mcp_tokens_readonly.json',
    file: {
      access_token: 'made-up-access-00001',
      refresh_token: 'made-up-refresh-00001',
      expires_at: '2025-11-03T13:00:00',
      created_at: '2025-11-02T12:00:00',
      client_id: 'client-1',
    },
    changed: { access_token: ACCESS, refresh_token: REFRESH, expires_at: /^"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"$/ },
  },
  {
    name: 'epoch seconds in a string, token_type in lower case',
    path: '.mcp_tokens_text.json',
    file: {
      access_token: 'made-up-access-00001',
      refresh_token: 'made-up-refresh-00001',
      token_type: 'bearer',
      expires_at: '1763715600',
      expires_in: '3600',
      client_id: 'client-1',
      client_secret: 'made-up-client-secret',
    },
    changed: { access_token: ACCESS, refresh_token: REFRESH, expires_at: /^"\d{10}"$/ },
  },
  {
    name: 'ISO with Z and milliseconds',
    path: '.oauth-tokens/zulu.json',
    file: {
      refresh_token: 'made-up-refresh-00001',
      access_token: 'made-up-access-00001',
      expires_at: '2025-11-21T09:05:00.123Z',
      client_id: 'client-1',
      client_secret: 'made-up-client-secret',
    },
    changed: { access_token: ACCESS, refresh_token: REFRESH, expires_at: /^"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"$/ },
  },
  {
    name: 'no expires_at: expires_in beside obtained_at',
    path: '.oauth-tokens/derived.json',
    file: {
      access_token: 'made-up-access-00001',
      refresh_token: 'made-up-refresh-00001',
      expires_in: 60,
      obtained_at: 1763715600.5,
      client_id: 'client-1',
      client_secret: 'made-up-client-secret',
    },
    changed: { access_token: ACCESS, refresh_token: REFRESH, expires_in: /^3600$/, obtained_at: FLOAT },
  },
];

describe('every shape of token file keeps its fields and its style', () => {
  test.each(SHAPES)('$name', async ({ path, file, beside = {}, environment, changed }) => {
    const root = new Root();
    const server = await FaultServer.start();
    const before = { ...file, token_endpoint: server.url } as Record<string, unknown>;
    root.write(path, before);
    for (const [name, content] of Object.entries(beside)) root.write(name, content);
    await once(root, environment?.(server.url));
    const after: Record<string, unknown> = root.json(path);
    expect(root.mode(path)).toBe(0o600);
    for (const [field, style] of Object.entries(changed)) expect(JSON.stringify(after[field]), field).toMatch(style);
    const rest = Object.fromEntries(Object.entries(before).filter(([field]) => !(field in changed)));
    expect(after).toMatchObject(rest);
    expect(Object.keys(after).filter((field) => !(field in before) && !(field in changed))).toEqual([]);
    expect(Object.keys(after).slice(0, Object.keys(before).length)).toEqual(Object.keys(before));
    expect(server.asked).toHaveLength(1);
    await run(root.path, ['--once']);
    expect(server.asked).toHaveLength(1);
  });

  test('several tokens in one file, each refreshed at the same time', async () => {
    const root = new Root();
    const server = await FaultServer.start();
    server.delay = 30;
    const machine = {
      access_token: 'made-up-app',
      token_type: 'bearer',
      expires_at: 1755496712.454338,
      scope: 'product.compact',
      obtained_at: 1755494912.454339,
    };
    const user = {
      access_token: 'made-up-access-00001',
      refresh_token: 'made-up-refresh-00001',
      expires_at: 1755496712.454338,
      scope: 'cart',
      source: 'env_migration',
      refreshed_at: 1755494912.454339,
    };
    root.write('.kroger_tokens.json', {
      user_tokens: { user_default: user },
      client_credentials: machine,
      last_updated: 1755494950.708941,
    });
    root.write('registry/providers/kroger.json', {
      provider: 'kroger',
      token_endpoint: server.url,
      environment: { client_id: 'KROGER_CLIENT_ID', client_secret: 'KROGER_CLIENT_SECRET' },
    });
    server.next.push(
      {
        rotates: false,
        answer: (response) =>
          void response.end(
            '{"access_token":"made-up-access-00002","refresh_token":"made-up-refresh-00002","expires_in":1800}',
          ),
      },
      {
        rotates: false,
        answer: (response) =>
          void response.end(
            '{"access_token":"made-up-access-00002","refresh_token":"made-up-refresh-00002","expires_in":1800}',
          ),
      },
    );
    const began = now();
    await once(root, { KROGER_CLIENT_ID: 'client-1', KROGER_CLIENT_SECRET: 'made-up-client-secret' });
    const { user_tokens, client_credentials, last_updated } = root.json('.kroger_tokens.json');
    expect(user_tokens.user_default).toMatchObject({
      access_token: 'made-up-access-00002',
      refresh_token: 'made-up-refresh-00002',
      scope: 'cart',
      source: 'env_migration',
    });
    expect(client_credentials).toMatchObject({
      access_token: 'made-up-access-00002',
      token_type: 'bearer',
      scope: 'product.compact',
    });
    for (const at of [user_tokens.user_default.refreshed_at, client_credentials.obtained_at, last_updated]) {
      expectBetween(at, began, now());
    }
    expect(server.asked.map(({ parameters }) => parameters.grant_type).sort()).toEqual([
      'client_credentials',
      'refresh_token',
    ]);
    expect(server.asked[0]?.authorization).toMatch(/^Basic /);
  });

  test('indentation, a missing end of line and a symbolic link', async () => {
    const root = new Root();
    const server = await FaultServer.start();
    const target = 'elsewhere/kept.json';
    const text = JSON.stringify(server.file(), null, '\t');
    root.write(target, text);
    root.write('.oauth-tokens/.keep', '');
    symlinkSync('../elsewhere/kept.json', root.full('.oauth-tokens/fault-thing-egress.json'));
    await once(root);
    expect(readlinkSync(root.full('.oauth-tokens/fault-thing-egress.json'))).toBe('../elsewhere/kept.json');
    const after = root.text(target);
    expect(after).toContain('\n\t"refresh_token": "made-up-refresh-00002"');
    expect(after.endsWith('}')).toBe(true);
    expect(statSync(root.full(target)).mode & 0o777).toBe(0o600);
  });

  test('a number that JavaScript cannot hold stays what it is', async () => {
    const root = new Root();
    const server = await FaultServer.start();
    const path = '.oauth-tokens/fault-thing-egress.json';
    root.write(
      path,
      JSON.stringify({ ...server.file(), account: 0 }).replace('"account":0', '"account":9007199254740993'),
    );
    await once(root);
    expect(root.text(path)).toContain('"account":9007199254740993');
  });
});

describe('what is sent', () => {
  test('resource and audience; no scope with a refresh token; one connection for each request', async () => {
    const root = new Root();
    const server = await FaultServer.start();
    const more = { resource: 'https://thing.example.com/mcp', audience: 'thing', scope: 'read' };
    root.write('.oauth-tokens/a.json', server.file(more));
    root.write(
      '.oauth-tokens/b.json',
      server.file({ ...more, refresh_token: undefined, grant_type: 'client_credentials' }),
    );
    await once(root);
    const bodies = server.asked.map(({ parameters }) => parameters);
    expect(bodies.find(({ grant_type }) => grant_type === 'refresh_token')).toEqual({
      grant_type: 'refresh_token',
      refresh_token: 'made-up-refresh-00001',
      resource: more.resource,
      audience: 'thing',
      client_id: 'client-1',
      client_secret: 'made-up-client-secret',
    });
    expect(bodies.find(({ grant_type }) => grant_type === 'client_credentials')).toMatchObject({
      scope: 'read',
      audience: 'thing',
    });
    expect(new Set(server.asked.map(({ port }) => port)).size).toBe(2);
  });

  test('password, which is never tried twice', async () => {
    const root = new Root();
    const server = await FaultServer.start();
    server.next.push(refusal('invalid_grant'));
    root.write('registry/providers/fault.json', {
      provider: 'fault',
      token_endpoint: server.url,
      environment: { username: 'FAULT_USERNAME', password: 'FAULT_PASSWORD' },
    });
    root.write('.oauth-tokens/a.json', server.file({ refresh_token: undefined, grant_type: 'password' }));
    const environment = { FAULT_USERNAME: 'somebody', FAULT_PASSWORD: 'made-up-password' };
    await run(root.path, ['--once'], environment);
    await run(root.path, ['--once'], environment);
    expect(server.asked).toHaveLength(1);
    expect(server.asked[0]?.parameters).toMatchObject({
      grant_type: 'password',
      username: 'somebody',
      password: 'made-up-password',
    });
    expect(root.text('token_refresher.log')).not.toMatch(/made-up/);
    await run(root.path, ['--once'], { ...environment, FAULT_PASSWORD: 'made-up-other-password' });
    expect(server.asked).toHaveLength(2);
  });

  test('nothing over plain HTTP to another machine', async () => {
    const root = new Root();
    root.write('.oauth-tokens/a.json', {
      refresh_token: 'made-up',
      client_id: 'c',
      token_endpoint: 'http://auth.example.com/token',
    });
    const { stderr } = await run(root.path, ['--once']);
    expect(stderr + root.text('token_refresher.log')).toMatch(/not https/);
  });
});
