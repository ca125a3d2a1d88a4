import { describe, expect, test } from 'vitest';
import { httpTokenEndpoint } from '../../src/adapters/endpoint.js';
import { impatientEndpoint } from '../fixtures/app.js';
import {
  type Behaviour,
  bomb,
  deaf,
  drip,
  FaultServer,
  flood,
  hang,
  refusal,
  reset,
  rotationAs,
  rotationWith,
  said,
  truncated,
} from '../fixtures/fault-server.js';
import { startLogin } from '../fixtures/login.js';
import { expectBetween, now } from '../fixtures/moments.js';
import { define, open } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';

const FILE = '.oauth-tokens/acme-thing-egress.json';

/** A login whose code is taken to a token endpoint that treats it so. */
async function loginMeets(behaviour: Behaviour, root = new Root()) {
  const server = await FaultServer.start();
  server.next.push(behaviour);
  root.write('registry/providers/acme.json', {
    provider: 'acme',
    authorization_endpoint: 'https://login.test/authorize',
    token_endpoint: server.url,
    token_endpoint_auth_method: 'client_secret_post',
    environment: { client_id: 'ACME_ID', client_secret: 'ACME_SECRET' },
  });
  define(root, 'thing.json', { ...open('thing'), auth_type: 'oauth', auth_provider: 'acme' });
  const credentials = { ACME_ID: 'client-1', ACME_SECRET: 'made-up-client-secret' };
  // The address that is told is the authorization endpoint's; its server is not needed for what comes after.
  const endpoint = behaviour === hang || behaviour === drip ? impatientEndpoint() : httpTokenEndpoint();
  const login = startLogin(root, ['login', 'thing'], credentials, { endpoint });
  const address = new URL(await login.address);
  const answer = new URLSearchParams({ code: 'made-up-code', state: address.searchParams.get('state') ?? '' });
  const page = await fetch(`${address.searchParams.get('redirect_uri')}?${answer}`);
  const text = await page.text();
  const { code, stdout, stderr } = await login.ended;
  const all =
    stdout +
    stderr.replaceAll(address.href, '') +
    text +
    (root.has('token_refresher.log') ? root.text('token_refresher.log') : '');
  expect(all).not.toMatch(/made-up/);
  return { root, server, code, stderr, page: text, status: page.status };
}

describe('of a bad answer nothing is kept, and the reason is one line', () => {
  test.each<[string, Behaviour, RegExp]>([
    [
      'invalid_grant',
      refusal('invalid_grant', {}, { error_description: 'the code was used' }),
      /invalid_grant: the code was used/,
    ],
    ['invalid_client', refusal('invalid_client', { status: 401 }), /invalid_client/],
    ['an error with HTTP 200', refusal('bad_verification_code', { status: 200 }), /bad_verification_code/],
    [
      'an error that repeats a secret',
      refusal('invalid_request', {}, { error_description: 'made-up-client-secret?' }),
      /\[redacted\]/,
    ],
    ['a page', said('<html>hello</html>', { type: 'text/html' }), /held no token/],
    ['nothing', said(''), /held no token/],
    ['a redirect', said('', { status: 302, headers: { location: 'https://elsewhere.test' } }), /redirect/],
    ['HTTP 500', said('oops', { status: 500 }), /HTTP 500/],
    ['HTTP 429', said('{}', { status: 429, headers: { 'retry-after': '60' } }), /HTTP 429/],
    ['half an answer', truncated((body) => body.length / 2), /gave no answer/],
    ['a connection that breaks', reset(true), /gave no answer/],
    ['a connection that is refused', deaf, /gave no answer/],
    ['silence', hang, /no complete answer within 3 s/],
    ['an answer that drips', drip, /no complete answer within 3 s/],
    ['no end', flood(20), /longer than/],
    ['a bomb', bomb, /longer than/],
    ['broken JSON', rotationAs((issued) => `${JSON.stringify(issued)},`), /damaged/],
  ])('%s', async (_what, behaviour, reason) => {
    const { root, code, stderr, status } = await loginMeets(behaviour);
    expect({ code, status }).toEqual({ code: 1, status: 400 });
    const lines = stderr
      .trim()
      .split('\n')
      .filter((line) => line.startsWith('thing: '));
    expect(lines).toEqual([expect.stringMatching(reason)]);
    expect(root.has('.oauth-tokens')).toBe(false);
  });
});

describe('an answer that is only odd is understood', () => {
  test.each<[string, Behaviour]>([
    [
      'form-encoded',
      rotationAs((issued) => new URLSearchParams(Object.entries({ ...issued, expires_in: '3600' })).toString(), {
        type: 'application/x-www-form-urlencoded',
      }),
    ],
    ['with a byte order mark', rotationAs((issued) => `\uFEFF${JSON.stringify(issued)}`)],
    ['as text', rotationAs((issued) => JSON.stringify(issued), { type: 'text/plain' })],
    ['expires_in in a string', rotationWith({ expires_in: '3600' })],
    ['HTTP 201', rotationWith({}, { status: 201 })],
    ['scope in a list', rotationWith({ scope: ['read', 'write'] })],
    ['an id_token that is none', rotationWith({ id_token: 'made.up' })],
    ['token_type in capitals', rotationWith({ token_type: 'BEARER' })],
  ])('%s', async (_what, behaviour) => {
    const began = now();
    const { root, code } = await loginMeets({ ...behaviour, rotates: false });
    expect(code).toBe(0);
    const { access_token, expires_at } = root.json(FILE);
    expect(access_token).toMatch(/^made-up-access/);
    expectBetween(expires_at, began + 3600, now() + 3600);
  });

  test.each([undefined, null, 'abc'])('expires_in %j: nothing tells when it ends', async (expires_in) => {
    const { root, code } = await loginMeets({ ...rotationWith({ expires_in }), rotates: false });
    expect(code).toBe(0);
    expect(root.json(FILE).expires_at).toBeNull();
  });

  test('a token that no header can carry is kept, and not given to clients', async () => {
    const { root, code, stderr } = await loginMeets({ ...rotationWith({ token_type: 'DPoP' }), rotates: false });
    expect(code).toBe(1);
    expect(stderr).toContain('is not given to clients: its token_type is "DPoP", not Bearer');
    expect(root.json(FILE).token_type).toBe('DPoP');
  });
});

test('a login over an older file keeps what else it says, and frees a token that was parked', async () => {
  const root = new Root();
  root.write(FILE, {
    provider: 'acme',
    access_token: 'made-up-old',
    refresh_token: 'made-up-dead',
    cloud_id: 'cloud-1',
    expires_at: '2025-11-21T09:00:00Z',
  });
  const { code } = await loginMeets(
    { ...rotationWith({ refresh_token: 'made-up-new-refresh' }), rotates: false },
    root,
  );
  expect(code).toBe(0);
  expect(root.json(FILE)).toMatchObject({ cloud_id: 'cloud-1', refresh_token: 'made-up-new-refresh' });
  expect(root.json(FILE).expires_at).toMatch(/^20\d\d-\d\d-\d\dT[\d:]+Z$/);
});
