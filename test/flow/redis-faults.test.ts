import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { startAuthorizationServer } from '../fixtures/authorization-server.js';
import { byChance } from '../fixtures/chance.js';
import { call as command } from '../fixtures/command.js';
import { FaultServer } from '../fixtures/fault-server.js';
import { Machine } from '../fixtures/machines.js';
import { run, start, until } from '../fixtures/program.js';
import { REDIS, RedisServer } from '../fixtures/redis-server.js';
import { define, open } from '../fixtures/registry.js';

const FILE = '.oauth-tokens/fault-thing-egress.json';
const DOCUMENTS = 'annika:shared:documents';
const GENERATIONS = 'annika:shared:generations';

interface Site {
  readonly redis: RedisServer;
  readonly server: FaultServer;
  readonly machines: readonly [Machine, Machine, Machine];
}

/** Three machines, of which the first has the token file. */
async function site(file: object = {}): Promise<Site> {
  const redis = await RedisServer.start();
  const server = await FaultServer.start();
  const environment = { TOKEN_ENCRYPTION_KEY: randomBytes(32).toString('base64'), TOKEN_REFRESH_FLOOR: '0' };
  const machine = () => Machine.at(redis, environment);
  const machines = [await machine(), await machine(), await machine()] as const;
  for (const { root } of machines) {
    define(root, 'thing.json', { ...open('thing'), auth_type: 'oauth', auth_provider: 'fault' });
  }
  machines[0].root.write(FILE, server.file(file));
  return { redis, server, machines };
}

const call = ({ root, environment }: Machine, ...args: string[]) => run(root.path, args, environment);
const LATER = { expires_at: 4_000_000_000 };

const newestAccess = (server: FaultServer): string => `${server.newest.replace('refresh', 'access')}\n`;

describe.skipIf(!REDIS)('tokens that machines share in Redis', () => {
  test.each([
    ['a document that is no JSON', ['HSET', DOCUMENTS, FILE, 'made up'], ['HSET', GENERATIONS, FILE, '9.x.y']],
    ['a document of another form', ['HSET', DOCUMENTS, FILE, '[1]'], ['HSET', GENERATIONS, FILE, '9.x.y']],
    ['a mark of another form', ['HSET', DOCUMENTS, FILE, '{}'], ['HSET', GENERATIONS, FILE, 'made up']],
    ['another type at the marks', ['SET', GENERATIONS, 'made up']],
    ['another type at the documents', ['SET', DOCUMENTS, 'made up'], ['HSET', GENERATIONS, FILE, '9.x.y']],
  ])('%s: nothing ends or hangs, and what was in hand is served', async (_, ...commands) => {
    const { redis, machines } = await site(LATER);
    const [first, second] = machines;
    await call(first, 'import-env');
    await redis.ask('DEL', DOCUMENTS, GENERATIONS);
    for (const command of commands) await redis.ask(...command);
    const { code, stdout, stderr } = await call(second, 'status');
    expect(code).toBe(0);
    expect(stdout + stderr).not.toMatch(/made up|SyntaxError|TypeError|Cannot read/);
    first.start();
    await until(() => first.log.includes('token-refresher started'), 'the start');
    expect(await first.end('SIGTERM')).toMatchObject({ code: 0 });
  });

  test('a server that answers nothing: calls end, and spend nothing', async () => {
    const { redis, server, machines } = await site(LATER);
    const [first] = machines;
    await call(first, 'import-env');
    redis.signal('SIGSTOP');
    const refused = await call(first, 'refresh', 'fault-thing', '--force');
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('Redis, which cannot be reached') });
    expect(await call(first, 'token', 'fault-thing')).toMatchObject({ code: 0, stdout: 'made-up-access-00001\n' });
    expect(server.asked).toHaveLength(0);
    redis.signal('SIGCONT');
  });

  test('a server that answers nothing while a new token is in hand: it is kept until it can be saved', async () => {
    const { redis, server, machines } = await site(LATER);
    const [first, second] = machines;
    first.start();
    await until(() => first.authorizations.size > 0, 'the daemon');
    const release = server.hold();
    const asking = call(second, 'refresh', 'fault-thing', '--force');
    await until(() => server.asked.length === 1, 'the request');
    redis.signal('SIGSTOP');
    release();
    await until(() => second.log.includes('held until it can be saved'), 'the word of it');
    redis.signal('SIGCONT');
    expect(await asking).toMatchObject({ code: 0 });
    expect(second.log).not.toMatch(/superseded|was changed meanwhile/);
    const followed = () => first.authorizations.get('thing') === `Bearer ${newestAccess(server).trim()}`;
    await until(followed, 'the other machine');
    expect(server.reuses).toEqual([]);
    expect(await first.end('SIGTERM')).toMatchObject({ code: 0 });
  });

  test('without health checks a call ends with its answer', async () => {
    const { machines } = await site(LATER);
    const [{ root, environment }] = machines;
    const quiet = { ...environment, REDIS_HEALTH_CHECK_INTERVAL: '0' };
    expect(await run(root.path, ['refresh', 'fault-thing', '--force'], quiet)).toMatchObject({ code: 0, stderr: '' });
    expect(await run(root.path, ['token', 'fault-thing'], quiet)).toMatchObject({ stdout: 'made-up-access-00002\n' });
  });

  test.each([
    ['READONLY', ['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE']],
    ['OOM', ['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '0']],
  ])('%s: nothing is spent, the reason is told, and it goes on when it is over', async (reason, begin, end) => {
    const { redis, server, machines } = await site(LATER);
    await call(machines[0], 'import-env');
    await redis.ask(...begin);
    const { code, stderr } = await call(machines[0], 'refresh', 'fault-thing', '--force');
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(`refuses it (${reason})`) });
    expect(server.asked).toHaveLength(0);
    await redis.ask(...end);
    expect(await call(machines[0], 'refresh', 'fault-thing', '--force')).toMatchObject({ code: 0 });
  });

  test('a wrong password: nothing is spent, and none is told', async () => {
    const { redis, server, machines } = await site(LATER);
    const [first] = machines;
    await call(first, 'import-env');
    const wrong = { ...first.environment, REDIS_URL: `redis://:made-up-wrong-password@localhost:${redis.port}` };
    const { code, stdout, stderr } = await run(first.root.path, ['refresh', 'fault-thing', '--force'], wrong);
    expect(code).toBe(1);
    expect(await run(first.root.path, ['token', 'fault-thing'], wrong)).toMatchObject({ code: 0 });
    expect(server.asked).toHaveLength(0);
    expect(stdout + stderr + first.log).not.toContain('wrong-password');
  });

  test('a machine that is cut off with a request under way: nobody else spends the same', async () => {
    const { redis, server, machines } = await site(LATER);
    const [first, second] = machines;
    await call(first, 'import-env');
    const release = server.hold();
    const asking = start(first.root.path, ['refresh', 'fault-thing', '--force'], first.environment);
    await until(() => server.asked.length === 1, 'its request');
    first.line.cut();
    const programs = async (): Promise<number> =>
      (await redis.ask<string>('CLIENT', 'LIST')).split('name=token-refresher').length - 1;
    await expect.poll(programs).toBe(0);
    const other = call(second, 'refresh', 'fault-thing', '--force');
    await expect.poll(programs).toBeGreaterThan(0);
    // Its answer comes while it is cut off.
    release();
    await until(() => first.log.includes('held until it can be saved'), 'the word of it');
    await first.line.mend();
    await asking.ended;
    await other;
    expect(server.reuses).toEqual([]);
    expect((await call(second, 'token', 'fault-thing')).stdout).toBe(newestAccess(server));
  });

  test('Redis comes back with nothing while a request is under way: nobody else spends the same', async () => {
    const { redis, server, machines } = await site(LATER);
    const [first, second] = machines;
    await call(first, 'import-env');
    const release = server.hold();
    second.start();
    await until(() => second.authorizations.size > 0, 'the other machine');
    const asking = start(first.root.path, ['refresh', 'fault-thing', '--force'], first.environment);
    await until(() => server.asked.length === 1, 'its request');
    await redis.stop();
    redis.empty();
    await redis.restart();
    // Its holder comes back for its lease; until then nobody is given one.
    await expect.poll(() => redis.ask('KEYS', 'annika:shared:lock:*')).toHaveLength(1);
    const other = call(second, 'refresh', 'fault-thing', '--force');
    await byChance(2000);
    release();
    expect(await asking.ended).toMatchObject({ code: 0 });
    await other;
    expect(server.reuses).toEqual([]);
    expect((await call(second, 'token', 'fault-thing')).stdout).toBe(newestAccess(server));
  });

  test('Redis comes back with nothing after all machines have ended: the newest that was seen counts', async () => {
    const { redis, server, machines } = await site(LATER);
    const [first, second, third] = machines;
    await call(third, 'import-env');
    await call(first, 'import-env');
    await call(second, 'refresh', 'fault-thing', '--force');
    await call(first, 'import-env');
    await redis.stop();
    redis.empty();
    await redis.restart();
    // One that has seen an older state, and one whose file holds what was spent long ago.
    await call(third, 'import-env');
    expect((await call(first, 'token', 'fault-thing')).stdout).toBe('made-up-access-00002\n');
    expect(await call(third, 'refresh', 'fault-thing', '--force')).toMatchObject({ code: 0 });
    expect(server.reuses).toEqual([]);
  });

  test('Redis has evicted one of its keys: what is missed is given back', async () => {
    const { redis, machines } = await site(LATER);
    const [first, second, third] = machines;
    second.start();
    await call(first, 'import-env');
    await until(() => second.authorizations.size > 0, 'the second machine');
    await redis.ask('DEL', DOCUMENTS);
    await call(first, 'refresh', 'fault-thing', '--force');
    expect((await call(third, 'token', 'fault-thing')).stdout).toBe('made-up-access-00002\n');
  });

  test('an old document under a new mark is not believed', async () => {
    const { redis, machines } = await site(LATER);
    const [first, second, third] = machines;
    await call(first, 'import-env');
    const old = JSON.parse(await redis.ask('HGET', DOCUMENTS, FILE)) as { mark: string; locked: string };
    await call(second, 'refresh', 'fault-thing', '--force');
    const [, ...rest] = old.mark.split('.');
    const mark = ['99', ...rest].join('.');
    await redis.ask('HSET', DOCUMENTS, FILE, JSON.stringify({ ...old, mark }));
    await redis.ask('HSET', GENERATIONS, FILE, mark);
    expect((await call(third, 'token', 'fault-thing')).stdout).toBe('');
    expect((await call(third, 'validate')).stdout).toContain('was changed by somebody who does not have the key');
  });

  test('two namespaces know nothing of one another', async () => {
    const { machines } = await site(LATER);
    const [first, { root, environment }] = machines;
    await call(first, 'import-env');
    const apart = await run(root.path, ['token', 'fault-thing'], { ...environment, REDIS_NAMESPACE: 'other:' });
    expect(apart).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('no token') });
  });

  test('a wanted token of machines that start at once is acquired once', async () => {
    const { server, machines } = await site(LATER);
    server.delay = 300;
    for (const machine of machines) {
      define(machine.root, 'wanted.json', { ...open('wanted'), auth_type: 'oauth', token: 'wanted' });
      machine.root.write('registry/tokens/wanted.json', {
        name: 'wanted',
        provider: 'fault',
        grant_type: 'client_credentials',
      });
      machine.root.write('registry/providers/fault.json', {
        provider: 'fault',
        token_endpoint: server.url,
        token_endpoint_auth_method: 'client_secret_post',
        environment: { client_id: 'FAULT_ID', client_secret: 'FAULT_SECRET' },
      });
      Object.assign(machine.environment, { FAULT_ID: 'client-1', FAULT_SECRET: 'made-up-client-secret' });
      machine.start();
    }
    const bearer = (machine: Machine) => machine.authorizations.get('wanted') === 'Bearer made-up-access-00002';
    await until(() => machines.every(bearer), 'all machines');
    for (const machine of machines) expect(await machine.end('SIGTERM')).toMatchObject({ code: 0 });
    expect(server.asked).toHaveLength(1);
  });

  test('a file that cannot be taken in while its token is being refreshed is taken in afterwards', async () => {
    const { server, machines } = await site();
    const [first, second, third] = machines;
    const newer = { ...server.file(LATER), access_token: 'made-up-newer', refresh_token: 'made-up-newer-refresh' };
    const release = server.hold();
    const asking = call(first, 'refresh', 'fault-thing');
    await until(() => server.asked.length === 1, 'its request');
    second.root.write(FILE, newer);
    await call(second, 'import-env');
    release();
    expect(await asking).toMatchObject({ code: 0 });
    await call(second, 'import-env');
    expect((await call(third, 'token', 'fault-thing')).stdout).toBe('made-up-newer\n');
  });

  test('a first start without Redis waits for it once, not for each file', async () => {
    const { redis, machines } = await site(LATER);
    const [first] = machines;
    for (let n = 0; n < 10; n += 1) {
      const own = { access_token: `made-up-access-${n}`, refresh_token: `made-up-refresh-${n}` };
      first.root.write(`.oauth-tokens/fault-more${n}-egress.json`, { ...first.root.json(FILE), ...own });
    }
    await redis.stop();
    expect(await call(first, 'status')).toMatchObject({ code: 0 });
    await call(first, 'import-env', '--log-level', 'DEBUG');
    expect(first.log.match(/is not shared yet: waits for Redis/g)).toHaveLength(1);
    await redis.restart();
    await call(first, 'import-env');
    expect((await call(machines[1], 'status')).stdout).toContain('more9');
  });

  test('two tokens of one document are refreshed by two machines at once, and neither is lost', async () => {
    const { machines } = await site(LATER);
    const server = await startAuthorizationServer();
    const users = ['ann', 'bob'];
    const entries = await Promise.all(
      users.map(async (user) => {
        const refresh_token = await server.login('client_secret_basic');
        return [user, { access_token: `made-up-${user}`, refresh_token, expires_at: LATER.expires_at }];
      }),
    );
    for (const { root, environment } of machines) {
      root.write('registry/providers/kroger.json', {
        provider: 'kroger',
        token_endpoint: server.tokenEndpoint,
        token_endpoint_auth_method: 'client_secret_basic',
        environment: { client_id: 'KROGER_ID', client_secret: 'KROGER_SECRET' },
      });
      const client = { KROGER_ID: server.clientId('client_secret_basic'), KROGER_SECRET: server.clientSecret };
      Object.assign(environment, client);
    }
    machines[0].root.write('.kroger_tokens.json', { user_tokens: Object.fromEntries(entries), last_updated: 1 });
    await call(machines[0], 'import-env');
    for (let round = 0; round < 3; round += 1) {
      const ends = users.flatMap((user) =>
        machines.map((machine) => call(machine, 'refresh', `kroger:${user}`, '--force')),
      );
      for (const end of await Promise.all(ends)) expect(end).toMatchObject({ code: 0, stderr: '' });
    }
    expect(server.refused).toEqual([]);
    for (const user of users) {
      const { stdout } = await call(machines[2], 'token', `kroger:${user}`);
      expect(await server.isActive(stdout.trim())).toBe(true);
    }
  });

  test('tokens that two machines bring at once: one of them is kept, whole', async () => {
    const { machines } = await site(LATER);
    await call(machines[0], 'import-env');
    const brought = machines.slice(0, 2).map(async ({ root, environment }, n) => {
      const text = JSON.stringify({
        access_token: `made-up-brought-${n}`,
        refresh_token: `made-up-brought-refresh-${n}`,
      });
      return command(root, ['setup', '--name', 'fault-thing', '--json'], environment, { input: text }).ended;
    });
    for (const end of await Promise.all(brought)) expect(end).toMatchObject({ code: 0, stderr: '' });
    const { stdout } = await call(machines[2], 'token', 'fault-thing');
    expect(stdout).toMatch(/^made-up-brought-[01]\n$/);
  });
});
