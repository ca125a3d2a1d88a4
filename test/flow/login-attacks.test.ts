import { describe, expect, test } from 'vitest';
import { FaultServer, refusal, rotationWith } from '../fixtures/fault-server.js';
import { HostileServer } from '../fixtures/hostile-server.js';
import { startLogin, startLoginProcess } from '../fixtures/login.js';
import { run, start, until } from '../fixtures/program.js';
import { define, open } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';
import { MOUNTS, SmallRoot } from '../fixtures/small-root.js';

const FILE = '.oauth-tokens/acme-thing-egress.json';
const CLIENT = { ACME_ID: 'client-1', ACME_SECRET: 'made-up-client-secret' };
const ACME = {
  provider: 'acme',
  authorization_endpoint: 'https://login.test/authorize',
  token_endpoint: 'https://login.test/token',
  token_endpoint_auth_method: 'client_secret_post',
  environment: { client_id: 'ACME_ID', client_secret: 'ACME_SECRET' },
};

/** A server that the user has chosen, and that has turned bad. */
async function scene(more: object = {}) {
  const root = new Root();
  const server = await HostileServer.start();
  const thing = { ...open('thing'), mcp_endpoint: server.url, auth_type: 'oauth', ...more };
  define(root, 'thing.json', thing);
  return { root, server };
}

/** Follows the address and comes back with a code. */
async function logIn(root: Root, environment: Record<string, string> = {}, args = ['login', 'thing']) {
  const login = startLogin(root, args, environment);
  const address = new URL(await login.address);
  const answer = new URLSearchParams({ code: 'made-up-code', state: address.searchParams.get('state') ?? '' });
  const page = await (await fetch(`${address.searchParams.get('redirect_uri')}?${answer}`)).text();
  return { ...(await login.ended), page, address };
}

function expectOneLine(stderr: string, reason: RegExp): void {
  expect(stderr.trim().split('\n')).toEqual([expect.stringMatching(reason)]);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for
  expect(stderr.trim()).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
}

describe("the client's secret goes to its own provider alone", () => {
  test('not to a device endpoint that the MCP server names in the place of one that the definition lacks', async () => {
    const { root, server } = await scene({ auth_provider: 'acme' });
    root.write('registry/providers/acme.json', ACME);
    const { code, stderr } = await run(root.path, ['login', 'thing', '--device'], CLIENT);
    expect(server.all).not.toContain('made-up');
    expect(code).toBe(1);
    expectOneLine(stderr, /^thing: the definition of acme names no device_.*client belongs to .*nothing was written$/);
    expect(root.has('.oauth-tokens')).toBe(false);
  });

  test('not to a server whose issuer is another than that of the definition', async () => {
    const { root, server } = await scene({ auth_provider: 'acme' });
    const { authorization_endpoint: _, ...definition } = ACME;
    root.write('registry/providers/acme.json', { ...definition, issuer: 'https://login.test' });
    const { code, stderr } = await run(root.path, ['login', 'thing'], CLIENT);
    expect(code).toBe(1);
    expectOneLine(
      stderr,
      /^thing: .*its client belongs to https:\/\/login\.test, and is not sent to .*nothing was written$/,
    );
    expect(server.all).not.toContain('made-up');
  });

  test('not to another token endpoint than that of the token file which has it', async () => {
    const { root, server } = await scene();
    root.write(FILE, {
      provider: 'acme',
      access_token: 'made-up-old',
      refresh_token: 'made-up-refresh',
      token_endpoint: 'https://login.test/token',
      client_id: 'client-1',
      client_secret: 'made-up-client-secret',
      token_endpoint_auth_method: 'client_secret_post',
    });
    const before = root.text(FILE);
    const { code, stderr } = await run(root.path, ['login', 'thing', '--device']);
    expect(code).toBe(1);
    expectOneLine(stderr, /^thing: its client belongs to https:\/\/login\.test\/token, and is not sent to /);
    expect(server.all).not.toContain('made-up');
    expect(root.text(FILE)).toBe(before);
  });

  test('not when a registration answers with the very client of the environment', async () => {
    const { root, server } = await scene({ auth_provider: 'acme' });
    root.write('registry/providers/acme.json', ACME);
    server.answers.set('/register', {
      client_id: 'client-1',
      redirect_uris: ['http://127.0.0.1/callback'],
      token_endpoint_auth_method: 'client_secret_post',
    });
    server.answers.set('/token', { access_token: 'a', refresh_token: 'b', token_type: 'Bearer', expires_in: 1 });
    expect(await logIn(root)).toMatchObject({ code: 0 });
    server.heard.length = 0;
    expect(await run(root.path, ['refresh', 'acme-thing', '--force'], CLIENT)).toMatchObject({ code: 0 });
    expect(server.to('/token')).toEqual([expect.stringContaining('client_id=client-1')]);
    expect(server.all).not.toContain('made-up');
  });
});

test('the file of a registered client that has no secret is not given the one of the environment', async () => {
  const root = new Root();
  const server = await HostileServer.start();
  root.write('registry/providers/acme.json', ACME);
  root.write(FILE, {
    provider: 'acme',
    access_token: 'a',
    refresh_token: 'b',
    client_id: 'client-1',
    client_registration: 'dynamic',
    token_endpoint: `${server.origin}/token`,
    token_endpoint_auth_method: 'client_secret_post',
  });
  expect(await run(root.path, ['refresh', 'acme-thing', '--force'], CLIENT)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('its refresh lacks client_secret (ACME_SECRET)'),
  });
  expect(server.all).not.toContain('made-up');
});

describe('a refresh token goes to whom it is from alone', () => {
  const OLD = {
    provider: 'acme',
    access_token: 'made-up-old',
    refresh_token: 'made-up-old-refresh',
    expires_at: 1,
    client_id: 'old-client',
    client_secret: 'made-up-old-secret',
    client_registration: 'dynamic',
    token_endpoint: 'https://login.test/token',
    token_endpoint_auth_method: 'client_secret_post',
  };

  test('not to another server, whose login has brought none', async () => {
    const { root, server } = await scene({ auth_provider: 'acme' });
    root.write(FILE, OLD);
    server.answers.set('/token', { access_token: 'made-up-new', token_type: 'Bearer', expires_in: 1 });
    expect(await logIn(root)).toMatchObject({ code: 0, stderr: expect.stringContaining('without a refresh token') });
    expect(await run(root.path, ['refresh', 'acme-thing', '--force'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('it has no refresh token'),
    });
    expect(server.all).not.toContain('made-up-old');
    expect(root.json(FILE)).toMatchObject({ access_token: 'made-up-new', client_id: 'hostile-client' });
    expect(root.json(FILE)).not.toHaveProperty('client_secret');
  });

  test('the same server goes on being asked with the one that is there', async () => {
    const { root, server } = await scene({ auth_provider: 'acme' });
    root.write('registry/providers/acme.json', {
      ...ACME,
      authorization_endpoint: `${server.origin}/authorize`,
      token_endpoint: `${server.origin}/token`,
    });
    root.write(FILE, { provider: 'acme', access_token: 'made-up-old', refresh_token: 'made-up-lasting' });
    expect(await logIn(root, CLIENT)).toMatchObject({ code: 0 });
    expect(root.json(FILE).refresh_token).toBe('made-up-lasting');
  });

  test('a client that was registered is forgotten once the definition has one', async () => {
    const { root, server } = await scene({ auth_provider: 'acme' });
    root.write(FILE, OLD);
    root.write('registry/providers/acme.json', {
      ...ACME,
      authorization_endpoint: `${server.origin}/authorize`,
      token_endpoint: `${server.origin}/token`,
    });
    const issued = { access_token: 'a', refresh_token: 'made-up-new-refresh', token_type: 'Bearer', expires_in: 3600 };
    server.answers.set('/token', issued);
    expect(await logIn(root, CLIENT)).toMatchObject({ code: 0 });
    expect(Object.keys(root.json(FILE))).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/client|endpoint/)]),
    );
    expect(await run(root.path, ['refresh', 'acme-thing', '--force'], CLIENT)).toMatchObject({ code: 0 });
    expect(server.to('/token').at(-1)).toContain('refresh_token=made-up-new-refresh');
  });
});

describe("a login does not take another server's file", () => {
  test.each([
    ['of a key that ends alike', 'acme', 'some-thing', '.oauth-tokens/acme-some-thing-egress.json'],
    ['of another provider', 'other', 'thing', '.oauth-tokens/other-thing-egress.json'],
  ])('%s', async (_what, provider, key, file) => {
    const { root, server } = await scene({ auth_provider: 'acme' });
    root.write('registry/providers/acme.json', {
      ...ACME,
      authorization_endpoint: `${server.origin}/authorize`,
      token_endpoint: `${server.origin}/token`,
    });
    if (key !== 'thing') define(root, `${key}.json`, { ...open(key), auth_type: 'oauth', auth_provider: provider });
    root.write(file, { provider, access_token: 'made-up-theirs', refresh_token: 'made-up-their-refresh' });
    const before = root.text(file);
    expect(await logIn(root, CLIENT)).toMatchObject({ code: 0 });
    expect(root.text(file)).toBe(before);
    expect(root.json(FILE).access_token).toBe('made-up-hostile-access');
  });

  test('of the very same name, which is refused', async () => {
    const { root, server } = await scene({ auth_provider: 'acme-some' });
    root.write('registry/providers/acme.json', {
      ...ACME,
      provider: 'acme-some',
      authorization_endpoint: `${server.origin}/authorize`,
    });
    const file = '.oauth-tokens/acme-some-thing-egress.json';
    root.write(file, { provider: 'acme', access_token: 'made-up-theirs', refresh_token: 'made-up-their-refresh' });
    const before = root.text(file);
    const { code, stderr } = await run(root.path, ['login', 'thing'], CLIENT);
    expect(code).toBe(1);
    expectOneLine(stderr, /^thing: \.oauth-tokens\/acme-some-thing-egress\.json holds a token of acme/);
    expect(root.text(file)).toBe(before);
  });
});

describe('what a hostile server says', () => {
  const ESCAPES = '\u001b[2J\u001b]0;owned\u0007';

  test.each<[string, (server: HostileServer) => void, RegExp]>([
    [
      'an endpoint of a script',
      (s) => Object.assign(s.metadata, { authorization_endpoint: 'javascript:alert(1)' }),
      /authorization_endpoint/,
    ],
    [
      'an endpoint that is a file',
      (s) => Object.assign(s.metadata, { authorization_endpoint: 'file:///etc/passwd' }),
      /not https/,
    ],
    [
      'an endpoint in the clear',
      (s) => Object.assign(s.metadata, { token_endpoint: 'http://login.test/token' }),
      /not https/,
    ],
    [
      'a registration in the clear',
      (s) => Object.assign(s.metadata, { registration_endpoint: 'http://login.test/register' }),
      /registration endpoint at login\.test is not https/,
    ],
    [
      'an endpoint with a name and password',
      (s) => Object.assign(s.metadata, { authorization_endpoint: 'https://login.test:x@evil.test/authorize' }),
      /user name/,
    ],
    [
      'a token endpoint with a name and password',
      (s) => Object.assign(s.metadata, { token_endpoint: 'https://login.test:x@evil.test/token' }),
      /user name/,
    ],
    ['no token endpoint', (s) => Object.assign(s.metadata, { token_endpoint: undefined }), /token_endpoint/],
    [
      'an issuer that draws on the terminal',
      (s) => Object.assign(s.metadata, { issuer: `https://evil.test/${ESCAPES}\nline` }),
      /issuer/i,
    ],
    [
      'metadata that is a page',
      (s) => s.answers.set('/.well-known/oauth-authorization-server', `<html>${ESCAPES}\n`),
      /JSON/,
    ],
    [
      'an issuer in the clear',
      (s) =>
        s.answers.set('/.well-known/oauth-protected-resource/mcp', {
          resource: s.url,
          authorization_servers: ['http://login.test'],
        }),
      /login\.test.*https/,
    ],
    [
      'a file for metadata',
      (s) =>
        s.answers.set('/mcp', (response) =>
          response.writeHead(401, { 'www-authenticate': 'Bearer resource_metadata="file:///etc/passwd"' }).end(),
        ),
      /file:/,
    ],
    [
      'a resource of another host',
      (s) =>
        s.answers.set('/.well-known/oauth-protected-resource/mcp', {
          resource: `https://elsewhere.test/\u009b31m`,
          authorization_servers: [s.origin],
        }),
      /elsewhere\.test/,
    ],
    [
      'metadata elsewhere',
      (s) =>
        s.answers.set('/.well-known/oauth-authorization-server', (response) =>
          response.writeHead(302, { location: 'http://localhost:9/' }).end(),
        ),
      /302|names no authorization server/,
    ],
    [
      'a refusal to register that draws on the terminal',
      (s) => s.answers.set('/register', (response) => response.writeHead(400).end(`${ESCAPES}\nmore`)),
      /refuses to register/,
    ],
    ['a registration without a client', (s) => s.answers.set('/register', { redirect_uris: [] }), /client_id/],
    [
      'a registration of an empty client',
      (s) => s.answers.set('/register', { client_id: '', redirect_uris: [] }),
      /client_id/,
    ],
    ['a registration of a number', (s) => s.answers.set('/register', { client_id: 7, redirect_uris: [] }), /client_id/],
  ])('%s: refused in one line', async (_what, prepare, reason) => {
    const { root, server } = await scene();
    prepare(server);
    const { code, stderr, stdout } = await run(root.path, ['login', 'thing']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expectOneLine(stderr, reason);
    expect(root.has('.oauth-tokens')).toBe(false);
  });

  test.each([
    ['the metadata', '/.well-known/oauth-authorization-server'],
    ['the metadata of the resource', '/.well-known/oauth-protected-resource/mcp'],
    ['a registration', '/register'],
  ])('%s without end is not read to it', async (_what, path) => {
    const { root, server } = await scene();
    let poured = 0;
    const chunk = Buffer.alloc(256 * 1024, ' ');
    server.answers.set(path, (response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const pour = (): void => {
        poured += chunk.length;
        if (!response.destroyed && poured < 200 * 1024 * 1024) response.write(chunk, pour);
      };
      pour();
    });
    const { code, stderr } = await run(root.path, ['login', 'thing']);
    expect(code).toBe(1);
    expectOneLine(stderr, /^thing: /);
    expect(poured).toBeLessThan(100 * 1024 * 1024);
  });

  test('a device answer that draws on the terminal is shown as plain text', async () => {
    const { root, server } = await scene();
    server.answers.set('/device', {
      device_code: 'made-up-device-code',
      user_code: `AB${ESCAPES}CD\u202e`,
      verification_uri: `https://evil.test/${ESCAPES}`,
      verification_uri_complete: `javascript:alert(1)`,
      interval: 0,
    });
    server.answers.set('/token', (response) => {
      const body = { error: 'invalid_grant', error_description: `no made-up-device-code ${ESCAPES}` };
      response.writeHead(400).end(JSON.stringify(body));
    });
    const { code, stderr } = await run(root.path, ['login', 'thing', '--device']);
    expect(code).toBe(1);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for
    expect(stderr).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
    expect(stderr).toContain('https://evil.test/\n');
    expect(stderr).toMatch(/enter this code:\s+ABCD$/m);
    expect(stderr).not.toMatch(/javascript:|made-up-device-code/);
  });

  test('an error that repeats the code and the verifier shows neither', async () => {
    const { root, server } = await scene();
    server.answers.set('/token', (response) => {
      const verifier = new URLSearchParams(server.to('/token').at(-1)).get('code_verifier');
      const body = { error: 'invalid_grant', error_description: `made-up-code ${verifier}` };
      response.writeHead(400).end(JSON.stringify(body));
    });
    const { stderr, page, address } = await logIn(root);
    expect(stderr.replaceAll(address.href, '') + page).not.toContain('made-up-code');
    expect(stderr).toContain('invalid_grant: [redacted] [redacted]');
  });
});

test('an answer without the issuer that the server always names is no answer', async () => {
  const { root, server } = await scene();
  server.metadata.authorization_response_iss_parameter_supported = true;
  const { code, stderr } = await logIn(root);
  expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('does not name its issuer') });
  expect(server.to('/token')).toEqual([]);
});

test('a web page that knocks at the loopback port changes nothing', async () => {
  const { root } = await scene();
  const login = startLogin(root, ['login', 'thing']);
  const address = new URL(await login.address);
  const callback = new URL(address.searchParams.get('redirect_uri') ?? '');
  for (const path of ['//', '//[', '/callback', '/callback?state=x&code=y', '/%', '/callback/../callback?state=%ff']) {
    const response = await fetch(`${callback.origin}${path}`).catch(() => null);
    expect([path, response?.status]).toEqual([path, expect.any(Number)]);
  }
  await fetch(callback, { method: 'POST', body: 'x'.repeat(100_000) });
  const answer = new URLSearchParams({ code: 'c', state: address.searchParams.get('state') ?? '' });
  expect(await (await fetch(`${callback}?${answer}`)).text()).toContain('You are logged in');
  expect(await login.ended).toMatchObject({ code: 0 });
});

test('two logins at once both end, and leave one whole token', async () => {
  const { root, server } = await scene();
  let n = 0;
  server.answers.set('/token', (response) => {
    n += 1;
    const body = { access_token: `access-${n}`, refresh_token: `refresh-${n}`, token_type: 'Bearer', expires_in: 3600 };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  const both = await Promise.all([logIn(root), logIn(root)]);
  expect(both.map(({ code }) => code)).toEqual([0, 0]);
  const { access_token, refresh_token } = root.json('.oauth-tokens/127-0-0-1-thing-egress.json');
  expect(access_token.replace('access', 'refresh')).toBe(refresh_token);
});

describe.skipIf(!MOUNTS).each<[string, (root: SmallRoot, on: boolean) => void, RegExp]>([
  ['full', (root, on) => (on ? root.fill() : root.free()), /disk is full/],
  ['read-only', (root, on) => root.setReadOnly(on), /read-only/],
])('a disk that is %s', (_what, set, reason) => {
  test('is said for what it is, and not as a refusal of the server', async () => {
    const root = new SmallRoot();
    const server = await HostileServer.start();
    define(root, 'thing.json', { ...open('thing'), mcp_endpoint: server.url, auth_type: 'oauth' });
    root.write('registry/providers/acme.json', {
      ...ACME,
      authorization_endpoint: `${server.origin}/authorize`,
      token_endpoint: `${server.origin}/token`,
    });
    set(root, true);
    const { code, stderr } = await run(root.path, ['login', 'thing', '--log-file', '-'], CLIENT);
    expect(code).toBe(1);
    expectOneLine(stderr, reason);
    expect(stderr).not.toContain('refuses to register');
    expect(server.to('/token')).toEqual([]);
    set(root, false);
    expect(await logIn(root, CLIENT, ['login', 'acme'])).toMatchObject({ code: 0 });
  });
});

test('a login that is killed at any moment leaves what was there or what came', async () => {
  const { root, server } = await scene({ auth_provider: 'acme' });
  root.write('registry/providers/acme.json', {
    ...ACME,
    authorization_endpoint: `${server.origin}/authorize`,
    token_endpoint: `${server.origin}/token`,
  });
  root.write(FILE, { provider: 'acme', access_token: 'access-0', refresh_token: 'refresh-0' });
  for (let n = 1; n < 7; n += 1) {
    const issued = { access_token: `access-${n}`, refresh_token: `refresh-${n}`, token_type: 'Bearer', expires_in: 9 };
    server.answers.set('/token', issued);
    const login = startLoginProcess(root, ['login', 'thing'], CLIENT);
    const address = new URL(await login.address);
    const answer = new URLSearchParams({ code: 'c', state: address.searchParams.get('state') ?? '' });
    const asked = server.to('/token').length;
    const before = root.text(FILE);
    fetch(`${address.searchParams.get('redirect_uri')}?${answer}`).catch(() => undefined);
    if (n % 2 === 0) await until(() => server.to('/token').length > asked, 'the code');
    else await until(() => root.text(FILE) !== before, 'a change');
    login.process.kill('SIGKILL');
    await login.ended;
    const { access_token, refresh_token } = root.json(FILE);
    expect(access_token.replace('access', 'refresh')).toBe(refresh_token);
  }
  expect(await logIn(root, CLIENT)).toMatchObject({ code: 0 });
});

test('a login while a daemon refreshes the dead one: the new one stays, and is refreshed next', async () => {
  const root = new Root();
  const server = await FaultServer.start();
  server.delay = 300;
  server.next.push(refusal('invalid_grant'));
  root.write('registry/providers/acme.json', { ...ACME, token_endpoint: server.url });
  root.write(FILE, { provider: 'acme', access_token: 'a', refresh_token: 'made-up-dead', expires_at: 1 });
  define(root, 'thing.json', { ...open('thing'), auth_type: 'oauth', auth_provider: 'acme' });
  const daemon = start(root.path, [], CLIENT);
  const login = startLogin(root, ['login', 'thing'], CLIENT);
  const address = new URL(await login.address);
  const answer = new URLSearchParams({ code: 'c', state: address.searchParams.get('state') ?? '' });
  await until(() => server.asked.length > 0, 'a refresh under way');
  server.next.push(rotationWith({ refresh_token: 'made-up-from-login' }));
  await fetch(`${address.searchParams.get('redirect_uri')}?${answer}`);
  expect(await login.ended).toMatchObject({ code: 0 });
  await until(() => root.text('token_refresher.log').includes('a login has brought'), 'the log');
  expect(root.json(FILE).expires_at).toBeGreaterThan(Date.now() / 1000);
  daemon.process.kill('SIGTERM');
  expect(await daemon.ended).toMatchObject({ code: 0 });
  expect(server.asked.map(({ spent }) => spent)).toEqual(['made-up-dead', '']);
});

test('a login for a provider that is called as an output does not go into that', async () => {
  const { root, server } = await scene();
  root.write('registry/providers/mcp.json', {
    ...ACME,
    provider: 'mcp',
    authorization_endpoint: `${server.origin}/authorize`,
    token_endpoint: `${server.origin}/token`,
  });
  const { code, stderr } = await run(root.path, ['login', 'mcp'], CLIENT);
  expect(code).toBe(1);
  expectOneLine(stderr, /^mcp: \.oauth-tokens\/mcp\.json is an output/);
});

test('a definition cannot lead a login out of the root', async () => {
  const outside = new Root();
  const { root, server } = await scene({
    auth_provider: 'acme',
    token: `/../../${outside.path.split('/').at(-1)}/evil`,
  });
  root.write('registry/providers/acme.json', {
    ...ACME,
    authorization_endpoint: `${server.origin}/authorize`,
    token_endpoint: `${server.origin}/token`,
  });
  root.write('.mcp_tokens_/x', '');
  const { code, stderr } = await run(root.path, ['login', 'thing'], CLIENT);
  expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining("is no file of this root's") });
  expect(outside.has('evil.json')).toBe(false);
});

test('a device login goes on through a server that is away for a moment', async () => {
  const { root, server } = await scene();
  let n = 0;
  server.answers.set('/token', (response) => {
    n += 1;
    if (n === 1) response.writeHead(502).end('<html>bad gateway</html>');
    else response.writeHead(200).end(JSON.stringify({ access_token: 'made-up', token_type: 'Bearer', expires_in: 9 }));
  });
  expect(await run(root.path, ['login', 'thing', '--device'])).toMatchObject({ code: 0 });
  expect(server.to('/token')).toHaveLength(2);
  expect(root.json('.oauth-tokens/127-0-0-1-thing-egress.json').access_token).toBe('made-up');
});
