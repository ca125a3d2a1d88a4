import { expect, test } from 'vitest';
import { FaultServer } from '../fixtures/fault-server.js';
import { run, start, until } from '../fixtures/program.js';
import { REDIS, REDIS_TLS, RedisServer } from '../fixtures/redis-server.js';
import { Root } from '../fixtures/root.js';

const SOON = 4_000_000_000;
const GRAPH = 'https://graph.microsoft.com/.default';
const AGENT_KEY = `annika:tokens:agent:${GRAPH}`;
const USER_KEY = 'annika:tokens:user:user123:User.Read Mail.Send';
const ACTIVE = 'annika:tokens:active';

function twoTokens(root: Root): void {
  const agent = { access_token: 'made-up-agent', scope: GRAPH, expires_at: SOON, client_id: 'client-1' };
  const user = { access_token: 'made-up-user', scope: 'User.Read Mail.Send', user_id: 'user123', expires_at: SOON };
  root.write('.oauth-tokens/agent.json', agent).write('.oauth-tokens/user.json', user);
  root.write('.oauth-tokens/old.json', { access_token: 'made-up-old', scope: 'old', expires_at: 1 });
}

test.for([
  { tls: false, isThere: REDIS },
  { tls: true, isThere: REDIS_TLS },
])('tokens stand under their keys until they expire, %j', async ({ tls, isThere }, { skip }) => {
  if (!isThere) skip('redis-server, or openssl for its certificate, is not installed');
  const root = new Root();
  const redis = await RedisServer.start({ tls });
  twoTokens(root);
  const { code, stderr } = await run(root.path, ['--once'], redis.environment);
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('old: expired') });
  expect(JSON.parse(await redis.ask('GET', AGENT_KEY))).toEqual({
    token: 'made-up-agent',
    expires_on: SOON,
    scope: GRAPH,
    stored_at: expect.any(Number),
    refresh_count: 0,
    metadata: { acquired_by: 'mcp-token-refresher', client_id: 'client-1' },
  });
  expect(JSON.parse(await redis.ask('GET', USER_KEY))).toMatchObject({ token: 'made-up-user', user_id: 'user123' });
  expect(await redis.ask('EXPIRETIME', AGENT_KEY)).toBe(SOON);
  expect((await redis.ask<string[]>('SMEMBERS', ACTIVE)).sort()).toEqual([AGENT_KEY, USER_KEY]);
  expect(root.text('token_refresher.log')).not.toContain('made-up');
});

test.skipIf(!REDIS)(
  'a refresh, a new token and one that is removed follow at once; the set is cleaned of what expired',
  async () => {
    const root = new Root();
    const redis = await RedisServer.start();
    const server = await FaultServer.start();
    await redis.ask('SADD', ACTIVE, 'annika:tokens:agent:of-another-time', 'other:tokens:agent:x');
    root.write('.oauth-tokens/thing.json', server.file({ scope: 'asked for' }));
    start(root.path, [], { ...redis.environment, REDIS_NAMESPACE: 'mine:' });
    // The scope that was granted takes the place of the one in the file.
    const key = 'mine:tokens:agent:read write';
    const value = () => redis.ask<string | null>('GET', key).then((text) => (text === null ? null : JSON.parse(text)));
    await expect.poll(value).toMatchObject({
      token: 'made-up-access-00002',
      refresh_count: 1,
      last_refreshed: expect.any(Number),
    });
    root.write('.oauth-tokens/second.json', { access_token: 'made-up-second', expires_at: SOON });
    await expect.poll(() => redis.ask('SMEMBERS', 'mine:tokens:active')).toHaveLength(2);
    root.remove('.oauth-tokens/second.json');
    await expect.poll(() => redis.ask('SMEMBERS', 'mine:tokens:active')).toEqual([key]);
    expect(await redis.ask('EXISTS', 'mine:tokens:agent:second')).toBe(0);
    // Another namespace is another's.
    expect(await redis.ask('SMEMBERS', ACTIVE)).toHaveLength(2);
  },
);

test.skipIf(!REDIS)(
  'Redis away: everything goes on, health says so, and what was missed is published when it is back',
  async () => {
    const root = new Root();
    const redis = await RedisServer.start();
    await redis.stop();
    twoTokens(root);
    start(root.path, ['--api', 'unix:api.sock', '--api-open'], redis.environment);
    await until(() => root.has('.oauth-tokens/mcp.json') && root.has('api.sock'), 'the daemon');
    const health = () => getUnix(root.full('api.sock'), '/api/tokens/health');
    expect(await health()).toMatchObject({
      status: 503,
      body: { status: 'unhealthy', redis_connected: false, active_token_count: 2 },
    });
    const served = await getUnix(root.full('api.sock'), `/api/tokens/${encodeURIComponent(GRAPH)}`);
    expect(served).toMatchObject({ status: 200, body: { token: 'made-up-agent', expires_on: SOON, scope: GRAPH } });
    await redis.restart();
    await expect.poll(() => redis.ask('EXISTS', AGENT_KEY)).toBe(1);
    await expect.poll(health).toMatchObject({ status: 200, body: { status: 'healthy', redis_connected: true } });
    await redis.ask('FLUSHALL');
    await redis.restart();
    await expect.poll(() => redis.ask('EXISTS', USER_KEY)).toBe(1);
    expect(root.text('token_refresher.log')).toContain('Redis cannot be reached: it refuses connections');
  },
);

test.each([
  [{ REDIS_URL: 'localhost:6379' }, 'REDIS_URL: is not a URL of Redis'],
  [{ REDIS_HOST: 'localhost', REDIS_PORT: 'made-up' }, 'REDIS_PORT: "made-up" is not a number'],
])('%j is a usage error', async (environment, message) => {
  const { code, stderr } = await run(new Root().path, ['--once'], environment as Record<string, string>);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(message) });
});

/** A request over a Unix socket. */
async function getUnix(socketPath: string, path: string): Promise<{ status: number; body: unknown }> {
  const { request } = await import('node:http');
  const { json } = await import('node:stream/consumers');
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, path, agent: false }, async (incoming) => {
      resolve({ status: incoming.statusCode ?? 0, body: await json(incoming) });
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}
