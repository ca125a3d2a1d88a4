import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { call } from '../fixtures/command.js';
import { FaultServer } from '../fixtures/fault-server.js';
import { pause, run, start, until } from '../fixtures/program.js';
import { REDIS, RedisServer } from '../fixtures/redis-server.js';
import { define, open } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';

const FILE = '.oauth-tokens/fault-thing-egress.json';
const key = (): string => randomBytes(32).toString('base64');

/** A machine of several; those without files get everything from Redis. */
function machine(): Root {
  const root = new Root();
  define(root, 'thing.json', { ...open('thing'), auth_type: 'oauth', auth_provider: 'fault' });
  return root;
}

const shared = (redis: RedisServer, keys: string): Record<string, string> => ({
  ...redis.environment,
  REDIS_SHARED: 'true',
  TOKEN_ENCRYPTION_KEY: keys,
});
const authorizationIn = (root: Root): string | undefined => {
  if (!root.has('.oauth-tokens/mcp.json')) return undefined;
  return root.json('.oauth-tokens/mcp.json').mcpServers.thing?.headers.Authorization;
};

test.skipIf(!REDIS)(
  'a machine without files has every token, and follows each refresh of another at once',
  async () => {
    const redis = await RedisServer.start();
    const server = await FaultServer.start();
    const [first, second] = [machine(), machine()];
    first.write(FILE, server.file({ expires_at: 4_000_000_000 }));
    const environment = shared(redis, key());
    start(first.path, [], environment);
    await until(() => authorizationIn(first) === 'Bearer made-up-access-00001', 'the first machine');
    start(second.path, [], environment);
    await until(() => authorizationIn(second) === 'Bearer made-up-access-00001', 'the second machine');
    expect(second.has(FILE)).toBe(false);

    expect(await run(second.path, ['refresh', 'fault-thing'], environment)).toMatchObject({ code: 0, stderr: '' });
    expect(server.asked).toHaveLength(1);
    for (const root of [first, second])
      await until(() => authorizationIn(root) === 'Bearer made-up-access-00002', 'it');
    expect((await run(first.path, ['token', 'fault-thing'], environment)).stdout).toBe('made-up-access-00002\n');
    // What this machine had on its disk stays as it was, and is not taken for something newer at the next start.
    expect(first.json(FILE).refresh_token).toBe('made-up-refresh-00001');

    const stored = JSON.stringify(await redis.ask('HGETALL', 'annika:shared:documents'));
    expect(stored).not.toContain('made-up');
    for (const root of [first, second]) expect(root.text('token_refresher.log')).not.toContain('made-up');
  },
);

test.skipIf(!REDIS)('many at once refresh it once, and spend nothing twice', async () => {
  const redis = await RedisServer.start();
  const server = await FaultServer.start();
  server.delay = 100;
  const environment = shared(redis, key());
  const roots = [machine(), machine(), machine()];
  roots[0]?.write(FILE, server.file());
  // Due from the beginning: whoever takes it in, or finds it first, refreshes it.
  await run(roots[0]?.path ?? '', ['import-env'], environment);
  const ends = await Promise.all(
    roots.flatMap(({ path }) => [0, 1, 2].map(() => run(path, ['token', 'fault-thing'], environment))),
  );
  expect(new Set(ends.map(({ code, stdout }) => `${code} ${stdout}`))).toEqual(new Set(['0 made-up-access-00002\n']));
  expect(server.asked).toHaveLength(1);
  expect(server.reuses).toEqual([]);
});

test.skipIf(!REDIS)(
  'a holder that was killed is followed within seconds; one that was paused overwrites nothing newer',
  async () => {
    const redis = await RedisServer.start();
    const server = await FaultServer.start();
    server.temper = 'graceful';
    const environment = shared(redis, key());
    const [first, second] = [machine(), machine()];
    first.write(FILE, server.file());
    await run(first.path, ['import-env'], environment);
    let release = server.hold();
    const killed = start(first.path, ['refresh', 'fault-thing'], environment);
    await until(() => server.asked.length === 1, 'its request');
    killed.process.kill('SIGKILL');
    await killed.ended;
    release();
    expect(await run(second.path, ['refresh', 'fault-thing'], environment)).toMatchObject({ code: 0 });
    const { stdout } = await run(second.path, ['token', 'fault-thing'], environment);
    expect(server.asked).toHaveLength(2);

    // Paused while its answer is under way, for longer than its lease: as if 90 s had gone by.
    release = server.hold();
    const paused = start(first.path, ['refresh', 'fault-thing', '--force'], environment);
    await until(() => server.asked.length === 3, 'its request');
    await pause(paused.process);
    release();
    const leases = await redis.ask<string[]>('KEYS', 'annika:shared:lock:*');
    expect(leases).toHaveLength(1);
    await redis.ask('DEL', ...leases);
    // It lives, and what it has spent is its own to ask for again; but a person may bring something newer.
    expect(await run(second.path, ['refresh', 'fault-thing', '--force'], environment)).toMatchObject({ code: 1 });
    expect(server.asked).toHaveLength(3);
    expect((await run(second.path, ['token', 'fault-thing'], environment)).stdout).toBe(stdout);
    const input = JSON.stringify({ access_token: 'made-up-brought', refresh_token: 'made-up-brought-refresh' });
    const setup = ['setup', '--name', 'fault-thing', '--json'];
    expect(await call(second, setup, environment, { input }).ended).toMatchObject({ code: 0 });
    paused.process.kill('SIGCONT');
    await paused.ended;
    expect((await run(second.path, ['token', 'fault-thing'], environment)).stdout).toBe('made-up-brought\n');
  },
);

test.skipIf(!REDIS)(
  'Redis away: tokens in hand are served, nothing is spent, and what was saved comes back with it',
  async () => {
    const redis = await RedisServer.start();
    const server = await FaultServer.start();
    const environment = { ...shared(redis, key()), TOKEN_REFRESH_FLOOR: '0' };
    const root = machine();
    root.write(FILE, server.file({ expires_at: Date.now() / 1000 + 3600, expires_in: 3600 }));
    start(root.path, [], environment);
    await until(() => authorizationIn(root) === 'Bearer made-up-access-00001', 'the daemon');
    await redis.stop();
    await until(() => root.text('token_refresher.log').includes('Redis cannot be reached'), 'the word of it');
    const asked = await run(root.path, ['refresh', 'fault-thing', '--force'], environment);
    expect(asked.code).not.toBe(0);
    expect(server.asked).toHaveLength(0);
    expect(authorizationIn(root)).toBe('Bearer made-up-access-00001');
    await redis.restart();
    await until(() => root.text('token_refresher.log').includes('can be reached again'), 'the word of its return');
    // Emptied, it is given back what this machine has in hand.
    await redis.ask('FLUSHALL');
    await redis.restart();
    await expect.poll(() => redis.ask('HLEN', 'annika:shared:documents')).toBeGreaterThan(0);
    expect(await run(root.path, ['refresh', 'fault-thing', '--force'], environment)).toMatchObject({ code: 0 });
    await until(() => authorizationIn(root) === 'Bearer made-up-access-00002', 'the new token');
  },
);

test.skipIf(!REDIS)(
  'keys are rotated with several at once; another key reads nothing and destroys nothing',
  async () => {
    const redis = await RedisServer.start();
    const server = await FaultServer.start();
    const root = machine();
    root.write(FILE, server.file({ expires_at: 4_000_000_000 }));
    const [old, fresh] = [key(), key()];
    await run(root.path, ['import-env'], shared(redis, old));
    const other = machine();
    expect(await run(other.path, ['token', 'fault-thing'], shared(redis, `${fresh},${old}`))).toMatchObject({
      code: 0,
    });
    expect(await run(other.path, ['refresh', 'fault-thing'], shared(redis, `${fresh},${old}`))).toMatchObject({
      code: 0,
    });
    // From now on it lies there under the first key.
    expect((await run(other.path, ['token', 'fault-thing'], shared(redis, fresh))).stdout).toBe(
      'made-up-access-00002\n',
    );
    const stranger = await run(root.path, ['validate'], shared(redis, key()));
    expect(stranger.code).toBe(1);
    expect(stranger.stdout + stranger.stderr).toMatch(
      /fault-thing-egress\.json: .*is encrypted with the key [0-9a-f]{8}, which TOKEN_ENCRYPTION_KEY does not have/,
    );
    expect((await run(other.path, ['token', 'fault-thing'], shared(redis, fresh))).stdout).toBe(
      'made-up-access-00002\n',
    );
  },
);

test.each([
  [{ REDIS_SHARED: '1' }, 'set REDIS_URL or REDIS_HOST'],
  [{ REDIS_SHARED: '1', REDIS_HOST: 'localhost' }, 'set TOKEN_ENCRYPTION_KEY'],
  [{ REDIS_SHARED: '1', REDIS_HOST: 'localhost', TOKEN_ENCRYPTION_KEY: 'made-up' }, 'key 1 is not 32 bytes in base64'],
])('%j is a usage error that shows no key', async (environment, message) => {
  const { code, stderr } = await run(new Root().path, ['import-env'], environment as Record<string, string>);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(message) });
  expect(stderr).not.toContain('made-up');
});
