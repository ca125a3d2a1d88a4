import { randomInt } from 'node:crypto';
import { expect, test } from 'vitest';
import { byChance } from '../fixtures/chance.js';
import { FaultServer } from '../fixtures/fault-server.js';
import { expectBetween, now } from '../fixtures/moments.js';
import { run, start, until } from '../fixtures/program.js';
import { Root } from '../fixtures/root.js';

/** By hand: STORE_ROUNDS=100 npx vitest run test/flow/stores.test.ts */
const ROUNDS = Number(process.env.STORE_ROUNDS ?? 8);
const STORE = '.kroger_tokens.json';

/** The provider of the store, at servers of ours: each user has one, as if of a family of its own. */
function kroger(root: Root): void {
  root.write('registry/providers/kroger.json', {
    provider: 'kroger',
    token_endpoint: '{token_endpoint}',
    token_endpoint_auth_method: 'client_secret_basic',
    environment: { client_id: 'KROGER_CLIENT_ID', client_secret: 'KROGER_CLIENT_SECRET' },
  });
}

const CREDENTIALS = { KROGER_CLIENT_ID: 'client-1', KROGER_CLIENT_SECRET: 'made-up-client-secret' };
const OLD = 1_700_000_000.5;

async function threeInOne(root: Root): Promise<readonly [FaultServer, FaultServer, FaultServer]> {
  kroger(root);
  const [anna, ben, own] = [await FaultServer.start('anna'), await FaultServer.start('ben'), await FaultServer.start()];
  const user = ({ url, newest }: FaultServer): object => {
    return {
      access_token: 'made-up-old',
      token_endpoint: url,
      refresh_token: newest,
      expires_at: OLD,
      refreshed_at: OLD,
    };
  };
  root.write(STORE, {
    user_tokens: { anna: user(anna), ben: { ...user(ben), note: 'kept' } },
    client_credentials: {
      access_token: 'made-up-old',
      token_endpoint: own.url,
      expires_at: OLD,
      scope: 'product.compact',
    },
    last_updated: OLD,
  });
  return [anna, ben, own];
}

test('each token of a store is refreshed on its own, and its times are kept up', async () => {
  const root = new Root();
  const [anna, ben, own] = await threeInOne(root);
  const began = now();
  const { code, stderr } = await run(root.path, ['--once'], CREDENTIALS);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const { user_tokens, client_credentials, last_updated } = root.json(STORE);
  expect(user_tokens.anna.refresh_token).toBe(anna.newest);
  expect(user_tokens.ben).toMatchObject({ refresh_token: ben.newest, note: 'kept' });
  expect(own.asked[0]?.parameters).toMatchObject({ grant_type: 'client_credentials', scope: 'product.compact' });
  expect(client_credentials.access_token).not.toBe('made-up-old');
  for (const at of [
    user_tokens.anna.refreshed_at,
    user_tokens.ben.refreshed_at,
    client_credentials.obtained_at,
    last_updated,
  ])
    expectBetween(at, began, now());
  for (const { expires_at } of [user_tokens.anna, client_credentials])
    expectBetween(expires_at, began + 3600, now() + 3600);
});

test(`two users and the client's own, refreshed at once ${ROUNDS} times with random kills, lose nothing`, {
  timeout: 180_000 + ROUNDS * 5000,
}, async () => {
  const root = new Root();
  const servers = await threeInOne(root);
  const [anna, ben] = servers;
  for (const server of servers) {
    server.temper = 'graceful'; // a strict one ends the family when an answer is lost, which no care can prevent
    server.delay = 15;
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = servers.map(({ asked }) => asked.length);
    const processes = [0, 1, 2].map(() => start(root.path, ['refresh', '--force'], CREDENTIALS));
    const victim = processes[randomInt(3)];
    await until(() => servers.some(({ asked }, index) => asked.length > (before[index] ?? 0)), 'a request');
    await byChance(40);
    victim?.process.kill('SIGKILL');
    const ends = await Promise.all(processes.map(({ ended }) => ended));
    for (const { code, signal, stderr } of ends) {
      if (signal === null) expect({ round, code, stderr }).toEqual({ round, code: 0, stderr: '' });
    }
    const { user_tokens, client_credentials } = root.json(STORE);
    expect(Object.keys(user_tokens)).toEqual(['anna', 'ben']);
    expect(client_credentials.scope).toBe('product.compact');
  }
  // Whatever became of the last round: one more that nobody disturbs.
  expect(await run(root.path, ['refresh', '--force'], CREDENTIALS)).toMatchObject({ code: 0 });
  const { user_tokens } = root.json(STORE);
  expect([user_tokens.anna.refresh_token, user_tokens.ben.refresh_token]).toEqual([anna.newest, ben.newest]);
});
