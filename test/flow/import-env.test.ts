import { expect, test } from 'vitest';
import { call } from '../fixtures/command.js';
import { FaultServer, refusal } from '../fixtures/fault-server.js';
import { Root } from '../fixtures/root.js';

const STORE = '.kroger_tokens.json';
const LATER = 4_000_000_000;

/** Kroger's definition, but for where its tokens come from. */
function kroger(root: Root, endpoint: string): Root {
  return root.write('registry/providers/kroger.json', {
    provider: 'kroger',
    token_endpoint: endpoint,
    token_endpoint_auth_method: 'client_secret_basic',
    environment: {
      client_id: 'KROGER_CLIENT_ID',
      client_secret: 'KROGER_CLIENT_SECRET',
      user_id: 'KROGER_HARDCODED_USER_ID',
      access_token: 'KROGER_USER_ACCESS_TOKEN',
      refresh_token: 'KROGER_USER_REFRESH_TOKEN',
      expires_at: 'KROGER_USER_TOKEN_EXPIRES_AT',
    },
  });
}

const CLIENT = { KROGER_CLIENT_ID: 'client-1', KROGER_CLIENT_SECRET: 'made-up-client-secret' };
const GIVEN = {
  ...CLIENT,
  KROGER_USER_ACCESS_TOKEN: 'made-up-env-access',
  KROGER_USER_REFRESH_TOKEN: 'made-up-env-refresh',
  KROGER_USER_TOKEN_EXPIRES_AT: String(LATER),
};

test('moves into the store once, at start and when told, and .env stays as it is', async () => {
  const root = kroger(new Root(), 'https://login.test/token');
  const dotenv = Object.entries(GIVEN)
    .map(([name, value]) => `${name}=${value}`)
    .join('\n');
  root.write('.env', dotenv);
  const { code, stdout, stderr } = await call(root, ['import-env']).ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^kroger:user_default \(\.kroger_tokens\.json\): imported; from KROGER_USER_ACCESS_TOKEN/);
  expect(stdout + root.text('token_refresher.log')).not.toContain('made-up');
  const { user_tokens, last_updated } = root.json(STORE);
  expect(user_tokens).toMatchObject({
    user_default: {
      access_token: 'made-up-env-access',
      refresh_token: 'made-up-env-refresh',
      expires_at: LATER,
      source: 'env_migration',
    },
  });
  expect(last_updated).toBeGreaterThan(1_700_000_000);
  expect(root.mode(STORE)).toBe(0o600);
  expect(root.text('.env')).toBe(dotenv);

  // Once: what is deleted afterwards stays deleted, and what was rotated stays rotated.
  expect((await call(root, ['import-env']).ended).stdout).toContain('already there');
  root.write(STORE, { user_tokens: {}, last_updated: 1 });
  expect((await call(root, ['--once']).ended).code).toBe(0);
  expect(root.json(STORE).user_tokens).toEqual({});
});

test('the daemon does so at its start, under the name of the user that the environment has', async () => {
  const root = kroger(new Root(), 'https://login.test/token');
  root.write(STORE, { user_tokens: { other: { access_token: 'made-up-other', expires_at: LATER } } });
  const { code } = await call(root, ['--once'], { ...GIVEN, KROGER_HARDCODED_USER_ID: 'user_7' }).ended;
  expect(code).toBe(0);
  expect(Object.keys(root.json(STORE).user_tokens)).toEqual(['other', 'user_7']);
  expect(root.text('token_refresher.log')).toMatch(/INFO - SCAN - \.kroger_tokens\.json: moved kroger:user_7/);
});

test('never over something newer; over something older', async () => {
  const root = kroger(new Root(), 'https://login.test/token');
  const stored = {
    access_token: 'made-up-stored',
    refresh_token: 'made-up-stored-refresh',
    expires_at: LATER - 1000,
    scope: 'kept',
  };
  root.write(STORE, { user_tokens: { user_default: { ...stored, expires_at: LATER + 1 } } });
  expect((await call(root, ['import-env'], GIVEN).ended).stdout).toContain('left: the store has one that is no older');
  expect(root.json(STORE).user_tokens.user_default.access_token).toBe('made-up-stored');
  root.write(STORE, { user_tokens: { user_default: stored } });
  expect((await call(root, ['import-env', '--json'], GIVEN).ended).stdout).toContain('"imported"');
  expect(root.json(STORE).user_tokens.user_default).toMatchObject({
    access_token: 'made-up-env-access',
    scope: 'kept',
  });
});

test('a stored token that is dead falls back to the one in the environment, once, and says so', async () => {
  const root = new Root();
  const server = await FaultServer.start();
  kroger(root, server.url);
  const dead = { access_token: 'made-up-stored', refresh_token: 'made-up-dead', expires_at: 1_700_000_000 };
  root.write(STORE, { user_tokens: { user_default: dead }, last_updated: 1 });
  const environment = { ...CLIENT, KROGER_USER_REFRESH_TOKEN: server.newest };
  expect(await call(root, ['--once'], environment).ended).toMatchObject({ code: 0, stderr: '' });
  expect(server.asked.map(({ spent }) => spent)).toEqual(['made-up-dead', environment.KROGER_USER_REFRESH_TOKEN]);
  expect(root.json(STORE).user_tokens.user_default.refresh_token).toBe(server.newest);
  expect(root.text('token_refresher.log')).toMatch(
    /WARNING - REFRESH - .*its refresh token is dead \(invalid_grant\); trying the one in the environment, once \(KROGER_USER_REFRESH_TOKEN\)/,
  );
});

test('one in the environment that is no better is tried once, and what is stored stays', async () => {
  const root = new Root();
  const server = await FaultServer.start();
  kroger(root, server.url);
  const dead = { access_token: 'made-up-stored', refresh_token: 'made-up-dead', expires_at: 1_700_000_000 };
  root.write(STORE, { user_tokens: { user_default: dead } });
  const environment = { ...CLIENT, KROGER_USER_REFRESH_TOKEN: 'made-up-as-dead' };
  for (let n = 0; n < 3; n += 1) server.next.push(refusal('invalid_grant'));
  expect(await call(root, ['--once'], environment).ended).toMatchObject({ code: 1 });
  expect(await call(root, ['refresh', 'kroger:user_default', '--force'], environment).ended).toMatchObject({ code: 1 });
  expect(server.asked.map(({ spent }) => spent)).toEqual(['made-up-dead', 'made-up-as-dead', 'made-up-dead']);
  expect(root.json(STORE).user_tokens.user_default).toEqual(dead);
});

test('one that is kept fresh where it is stored is newer than any that was copied once', async () => {
  const root = kroger(new Root(), 'https://login.test/token');
  const now = Date.now() / 1000;
  const stored = {
    access_token: 'made-up-stored',
    refresh_token: 'made-up-rotated',
    expires_at: now + 1700,
    refreshed_at: now,
  };
  root.write(STORE, { user_tokens: { user_default: stored } });
  expect((await call(root, ['import-env'], GIVEN).ended).stdout).toContain('left:');
  expect(root.json(STORE).user_tokens.user_default.refresh_token).toBe('made-up-rotated');
});

test('a time that is none is said, and nothing is moved', async () => {
  const root = kroger(new Root(), 'https://login.test/token');
  const environment = { ...GIVEN, KROGER_USER_TOKEN_EXPIRES_AT: 'next week' };
  const { code, stderr } = await call(root, ['import-env'], environment).ended;
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: expect.stringContaining('KROGER_USER_TOKEN_EXPIRES_AT is not a time'),
  });
  expect(root.has(STORE)).toBe(false);
});
