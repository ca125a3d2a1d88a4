import { expect, test } from 'vitest';
import { getTokenManager, TokenError } from '../src/library.js';
import { FaultServer, refusal } from './fixtures/fault-server.js';
import { run } from './fixtures/program.js';
import { Root } from './fixtures/root.js';

const FILE = '.oauth-tokens/thing.json';

test('one refresh is shared by all who ask, in this process and in others', async () => {
  const root = new Root();
  const server = await FaultServer.start();
  server.delay = 300;
  root.write(FILE, server.file());
  const managers = Array.from({ length: 10 }, () => getTokenManager('thing', { root: root.path }));
  expect(managers[0]?.tokens?.accessToken).toBe('made-up-access-00001');
  const asked = managers.flatMap((manager) => [manager.getAccessToken(), manager.getAccessToken()]);
  const [others, ...tokens] = await Promise.all([run(root.path, ['token', 'thing']), ...asked]);
  expect(server.asked).toHaveLength(1);
  const { access_token, refresh_token, expires_at } = root.json(FILE);
  expect(new Set([...tokens, others.stdout.trim()])).toEqual(new Set([access_token]));
  expect(managers[0]?.tokens).toEqual({
    accessToken: access_token,
    refreshToken: refresh_token,
    expiresAt: expires_at,
  });
  expect(await managers[0]?.status()).toMatchObject({ name: 'thing', state: 'valid', expires_at, missing: [] });
});

test('keeps tokens that came from elsewhere', async () => {
  const root = new Root();
  const old = '.oauth-tokens/old-token.json';
  root.write(old, { access_token: 'made-up-old', refresh_token: 'made-up-refresh', note: 'kept' });
  const manager = getTokenManager('old', { root: root.path });
  await manager.updateTokens({ accessToken: 'made-up-new', expiresIn: 60 });
  expect(manager.tokens?.accessToken).toBe('made-up-new');
  expect(root.json(old)).toMatchObject({ access_token: 'made-up-new', refresh_token: 'made-up-refresh', note: 'kept' });
  const fresh = getTokenManager('fresh', { root: root.path });
  expect(fresh.tokens).toBeNull();
  await fresh.updateTokens({ accessToken: 'made-up-a', refreshToken: 'made-up-r' });
  expect(await fresh.getAccessToken()).toBe('made-up-a');
  expect(root.mode('.mcp_tokens_fresh.json')).toBe(0o600);
});

test('rejects with a code, and a message that says what to do and nothing secret', async () => {
  const root = new Root();
  const server = await FaultServer.start();
  server.next.push(refusal('invalid_grant'));
  root.write(FILE, server.file());
  root.write('.oauth-tokens/bare.json', { access_token: 'made-up-bare', expires_at: 1 });
  const ask = async (name: string): Promise<TokenError> => {
    const error: unknown = await getTokenManager(name, { root: root.path })
      .getAccessToken()
      .catch((reason) => reason);
    if (!(error instanceof TokenError)) throw new Error(`${name} has a token`);
    expect(error.message).not.toContain('made-up');
    return error;
  };
  const dead = await ask('thing');
  expect(dead).toMatchObject({
    code: 'needs_login',
    message: expect.stringMatching(/invalid_grant; run: token-refresher login fault$/),
  });
  expect(await ask('bare')).toMatchObject({ code: 'expired', message: expect.stringContaining('no refresh token') });
  expect(await ask('nothing')).toMatchObject({ code: 'not_found' });
  const evil = getTokenManager('../evil', { root: root.path });
  await expect(evil.updateTokens({ accessToken: 'x' })).rejects.toMatchObject({ code: 'not_kept' });
  await expect(evil.status()).rejects.toMatchObject({ code: 'not_found' });
});
