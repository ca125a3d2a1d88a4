import { chmodSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  type AuthorizationServer,
  type ClientAuthentication,
  startAuthorizationServer,
} from '../fixtures/authorization-server.js';
import { call } from '../fixtures/command.js';
import { startLogin, startLoginProcess } from '../fixtures/login.js';
import { Person } from '../fixtures/person.js';
import { run, until } from '../fixtures/program.js';
import { startProtectedServer } from '../fixtures/protected-server.js';
import { define, open } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';

/** A provider definition for a client that is registered there. */
function registered(root: Root, server: AuthorizationServer, method: ClientAuthentication, more: object = {}) {
  root.write('registry/providers/acme.json', {
    provider: 'acme',
    issuer: server.issuer,
    authorization_endpoint: `${server.issuer}/auth`,
    token_endpoint: server.tokenEndpoint,
    device_authorization_endpoint: `${server.issuer}/device/auth`,
    token_endpoint_auth_method: method,
    scopes: ['openid', 'offline_access', 'read'],
    environment: { client_id: 'ACME_ID', client_secret: 'ACME_SECRET' },
    ...more,
  });
  define(root, 'thing.json', { ...open('thing'), auth_type: 'oauth', auth_provider: 'acme' });
  return { ACME_ID: server.clientId(method), ...(method === 'none' ? {} : { ACME_SECRET: server.clientSecret }) };
}

const FILE = '.oauth-tokens/acme-thing-egress.json';

describe.each<ClientAuthentication>(['client_secret_basic', 'client_secret_post', 'none'])(
  'as a client with %s',
  (method) => {
    test('by browser, with PKCE, and the token is refreshed ever after', async () => {
      const root = new Root();
      const server = await startAuthorizationServer();
      const environment = registered(root, server, method, { parameters: { authorize: { audience: 'api' } } });
      const login = startLogin(root, ['login', 'thing'], environment);
      const page = await new Person().visit(await login.address);
      expect(page).toContain('You are logged in');
      const { code, stdout, stderr } = await login.ended;
      expect({ code, stdout }).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(
          /^acme-thing: logged in; kept in \.oauth-tokens\/acme-thing-egress\.json, expires in/,
        ),
      });
      const [asked] = server.authorizations;
      expect(Object.fromEntries(asked ?? [])).toMatchObject({
        response_type: 'code',
        code_challenge_method: 'S256',
        scope: 'openid offline_access read',
        prompt: 'consent',
        audience: 'api',
      });
      const file = root.json(FILE);
      expect(await server.isActive(file.access_token)).toBe(true);
      expect(file).toMatchObject({ provider: 'acme', token_type: 'Bearer', refresh_token: expect.any(String) });
      expect(file).not.toHaveProperty('client_secret');
      expect(root.mode(FILE)).toBe(0o600);
      for (const secret of server.issued)
        expect(stdout + stderr + root.text('token_refresher.log')).not.toContain(secret);

      expect(await run(root.path, ['refresh', 'acme-thing'], environment)).toMatchObject({ code: 0 });
      expect(root.json(FILE).refresh_token).not.toBe(file.refresh_token);
    });
  },
);

test('in the browser that BROWSER names', async () => {
  const root = new Root();
  const server = await startAuthorizationServer();
  const environment = registered(root, server, 'none');
  root.write('browse', '#!/bin/sh\nprintf %s "$2" > "$1"\n');
  chmodSync(root.full('browse'), 0o700);
  const browser = `${root.full('browse')} ${root.full('address')}`;
  const login = startLoginProcess(root, ['login', 'thing'], { ...environment, BROWSER: browser });
  await until(() => login.said.stderr.includes('Your browser has been sent to'), 'the browser');
  expect(root.text('address')).toBe(await login.address);
  await new Person().visit(root.text('address'));
  expect(await login.ended).toMatchObject({ code: 0 });
});

test('with a code, on another device', async () => {
  const root = new Root();
  const server = await startAuthorizationServer();
  const environment = registered(root, server, 'client_secret_basic');
  const login = startLogin(root, ['login', 'thing', '--device'], environment);
  const address = await until(() => /or open:\s+(\S+)/.exec(login.said.stderr)?.[1], 'the address');
  expect(login.said.stderr).toMatch(/and enter this code:\s+[A-Z-]{9}/);
  await new Person().visit(address);
  expect(await login.ended).toMatchObject({ code: 0 });
  expect(await server.isActive(root.json(FILE).access_token)).toBe(true);
  expect(root.json(FILE).refresh_token).toEqual(expect.any(String));
});

describe('a server that nobody has told us about', () => {
  test.each([
    ['in its challenge', true],
    ['only under /.well-known', false],
  ])('tells where to log in %s; a client is registered there, and kept', async (_where, challenge) => {
    const root = new Root();
    const server = await startAuthorizationServer();
    const url = await startProtectedServer({ issuer: server.issuer, challenge, ...(challenge && { scope: 'write' }) });
    define(root, 'thing.json', { ...open('thing'), mcp_endpoint: url, auth_type: 'oauth' });
    const first = startLogin(root, ['login', 'thing']);
    await new Person().visit(await first.address);
    expect(await first.ended).toMatchObject({ code: 0 });
    expect(server.registered).toHaveLength(1);
    expect(server.registered[0]).toMatchObject({
      application_type: 'native',
      grant_types: ['authorization_code', 'refresh_token'],
      token_endpoint_auth_method: 'none',
    });
    expect(server.authorizations[0]?.get('resource')).toBe(url);
    expect(server.authorizations[0]?.get('scope')).toBe(challenge ? 'write offline_access' : 'read offline_access');
    const file = '.oauth-tokens/127-0-0-1-thing-egress.json';
    expect(root.json(file)).toMatchObject({
      token_endpoint: server.tokenEndpoint,
      token_endpoint_auth_method: 'none',
      resource: url,
      refresh_token: expect.any(String),
    });

    const second = startLogin(root, ['login', 'thing']);
    await new Person().visit(await second.address);
    expect(await second.ended).toMatchObject({ code: 0 });
    expect(server.registered).toHaveLength(1);
    expect(await run(root.path, ['refresh', '127-0-0-1-thing'])).toMatchObject({ code: 0 });
    expect((await run(root.path, ['headers', 'thing'])).stdout).toContain(root.json(file).access_token);
  });

  test.each(['Basic realm="a, \\"Bearer\\" b", ', 'Negotiate abcd==, '])('is understood after %s', async (before) => {
    const root = new Root();
    const { issuer } = await startAuthorizationServer();
    const url = await startProtectedServer({ issuer, before });
    define(root, 'thing.json', { ...open('thing'), mcp_endpoint: url, auth_type: 'oauth' });
    const login = startLogin(root, ['login', 'thing']);
    await new Person().visit(await login.address);
    expect(await login.ended).toMatchObject({ code: 0 });
  });

  test('a client whose secret has expired is registered anew', async () => {
    const root = new Root();
    const server = await startAuthorizationServer();
    const url = await startProtectedServer({ issuer: server.issuer });
    define(root, 'thing.json', { ...open('thing'), mcp_endpoint: url, auth_type: 'oauth' });
    const file = `.token-refresher/registrations/${encodeURIComponent(server.issuer)}.json`;
    for (const times of [1, 2]) {
      const login = startLogin(root, ['login', 'thing']);
      await new Person().visit(await login.address);
      expect(await login.ended).toMatchObject({ code: 0 });
      expect(server.registered).toHaveLength(times);
      root.write(file, { ...root.json(file), client_secret_expires_at: 1_700_000_000 });
    }
  });

  test('a server whose metadata speaks of another one is not believed', async () => {
    const root = new Root();
    const { issuer } = await startAuthorizationServer();
    const url = await startProtectedServer({ issuer, resource: 'https://elsewhere.test/mcp' });
    define(root, 'thing.json', { ...open('thing'), mcp_endpoint: url, auth_type: 'oauth' });
    const { code, stderr } = await call(root, ['login', 'thing']).ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/elsewhere\.test.*nothing was written/);
  });

  test('an issuer that calls itself by another name is not believed', async () => {
    const root = new Root();
    const { issuer } = await startAuthorizationServer();
    const url = await startProtectedServer({ issuer: issuer.replace('127.0.0.1', 'localhost') });
    define(root, 'thing.json', { ...open('thing'), mcp_endpoint: url, auth_type: 'oauth' });
    const { code, stderr } = await call(root, ['login', 'thing']).ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/issuer/i);
  });
});

describe('nothing is written, and the reason said, when', () => {
  test('the person refuses', async () => {
    const root = new Root();
    const server = await startAuthorizationServer({ visitors: 'refused' });
    const login = startLogin(root, ['login', 'thing'], registered(root, server, 'none'));
    expect(await new Person().visit(await login.address)).toContain('access_denied');
    const { code, stderr } = await login.ended;
    expect(code).toBe(1);
    expect(stderr).toContain('thing: the login was refused: access_denied: the person said no; nothing was written');
    expect(root.has(FILE)).toBe(false);
  });

  test('an answer comes of another login, or from another issuer', async () => {
    const root = new Root();
    const server = await startAuthorizationServer();
    const login = startLogin(root, ['login', 'thing'], registered(root, server, 'none'));
    const address = new URL(await login.address);
    const callback = address.searchParams.get('redirect_uri') ?? '';
    const stranger = await fetch(`${callback}?code=made-up&state=made-up`);
    expect([stranger.status, await stranger.text()]).toEqual([400, expect.stringContaining('no answer to the login')]);
    expect((await fetch(new URL('/favicon.ico', callback))).status).toBe(404);
    const state = address.searchParams.get('state') ?? '';
    await fetch(`${callback}?${new URLSearchParams({ code: 'made-up', state, iss: 'https://evil.test' })}`);
    const { code, stderr } = await login.ended;
    expect(code).toBe(1);
    expect(stderr).toContain('the answer comes from https://evil.test and not from');
    expect(root.has(FILE)).toBe(false);
  });

  test('Ctrl-C is pressed', async () => {
    const root = new Root();
    const server = await startAuthorizationServer();
    const login = startLoginProcess(root, ['login', 'thing'], registered(root, server, 'none'));
    await login.address;
    login.process.kill('SIGINT');
    const { code, stderr } = await login.ended;
    expect(code).toBe(1);
    expect(stderr).toContain('thing: given up; nothing was written');
    expect(root.has('.oauth-tokens')).toBe(false);
  });

  test('its client is not set', async () => {
    const root = new Root();
    registered(root, await startAuthorizationServer(), 'client_secret_basic', { issuer: undefined });
    define(root, 'thing.json', {
      ...open('thing'),
      mcp_endpoint: 'http://127.0.0.1:9/mcp',
      auth_type: 'oauth',
      auth_provider: 'acme',
    });
    const { code, stderr } = await call(root, ['login', 'thing']).ended;
    expect(code).toBe(1);
    expect(stderr).toContain('its login lacks client_id (ACME_ID), client_secret (ACME_SECRET)');
  });

  test('there is nothing of that name', async () => {
    const root = new Root();
    const { code, stderr } = await call(root, ['login', 'atlasian']).ended;
    expect(code).toBe(2);
    expect(stderr).toContain('there is no server, token or provider "atlasian"; did you mean "atlassian"?');
  });
});

test('follows the link of a definition to the token it names', async () => {
  const root = new Root();
  const server = await startAuthorizationServer();
  const environment = registered(root, server, 'none');
  define(root, 'thing.json', { ...open('thing'), auth_type: 'oauth', auth_provider: 'acme', token: 'readonly' });
  const login = startLogin(root, ['login', 'thing', '--json'], environment);
  await new Person().visit(await login.address);
  const { code, stdout } = await login.ended;
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ name: 'readonly', file: '.mcp_tokens_readonly.json', renewable: true });
  expect((await run(root.path, ['token', 'readonly'], environment)).stdout.trim()).toBe(
    root.json('.mcp_tokens_readonly.json').access_token,
  );
});
