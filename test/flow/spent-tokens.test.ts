import { renameSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { appFor } from '../fixtures/app.js';
import { FaultServer } from '../fixtures/fault-server.js';
import { run } from '../fixtures/program.js';
import { Root } from '../fixtures/root.js';

const EGRESS = '.oauth-tokens/zeta-zeta-egress.json';
const COPY = '.oauth-tokens/oauth-zeta-c1.json';
/** The set names the server, so it fits the server's own file only. */
const ENVIRONMENT = {
  EGRESS_OAUTH_CLIENT_ID_1: 'client-1',
  EGRESS_OAUTH_CLIENT_SECRET_1: 'made-up-client-secret',
  EGRESS_PROVIDER_NAME_1: 'zeta',
  EGRESS_MCP_SERVER_NAME_1: 'zeta',
};
/** What makes the copy refreshable as well. */
const OF_THE_PROVIDER = { ZETA_CLIENT_ID: 'client-1', ZETA_CLIENT_SECRET: 'made-up-client-secret' };

interface Scene {
  readonly root: Root;
  readonly server: FaultServer;
}

/** As a gateway's login script leaves it: one grant in two files, of which the copy sorts first. */
async function twoFiles(): Promise<Scene> {
  const root = new Root();
  const server = await FaultServer.start();
  const { access_token, refresh_token } = server.file() as { access_token: string; refresh_token: string };
  const grant = { provider: 'zeta', access_token, refresh_token, expires_at: 1_760_000_000, cloud_id: null };
  root.write(EGRESS, { ...grant, scopes: [], saved_at: '2026-11-25 01:00:00 UTC' });
  root.write(COPY, grant);
  root.write('registry/providers/zeta.json', {
    provider: 'zeta',
    token_endpoint: server.url,
    environment: { client_id: 'ZETA_CLIENT_ID', client_secret: 'ZETA_CLIENT_SECRET' },
  });
  root.write('registry/servers/zeta.json', {
    server_name: 'zeta',
    path: '/zeta',
    proxy_pass_url: 'https://zeta.servers.example/',
    auth_type: 'oauth',
    auth_provider: 'zeta',
  });
  return { root, server };
}

const once = ({ root }: Scene, args: readonly string[] = [], environment: Record<string, string> = {}) =>
  run(root.path, ['--once', ...args], { ...ENVIRONMENT, ...environment });

describe('a second file with the same refresh token', () => {
  test('neither hides the first nor is an alarm, and nobody is told to make it refreshable', async () => {
    const scene = await twoFiles();
    const { root, server } = scene;
    expect(await once(scene)).toMatchObject({ code: 0, stderr: '' });
    expect(server.asked).toHaveLength(1);
    expect(root.json(EGRESS).refresh_token).toBe(server.newest);
    expect(root.json(COPY).refresh_token).toBe(server.asked[0]?.spent);
    expect(root.text('.oauth-tokens/mcp.json')).toContain(root.json(EGRESS).access_token);
    const { stdout } = await run(root.path, ['status', '--json'], ENVIRONMENT);
    const { tokens, problems } = JSON.parse(stdout);
    expect(tokens.map(({ file }: { file: string }) => file)).toEqual([EGRESS]);
    expect(problems).toEqual([]);
    const text = (await run(root.path, ['status'], ENVIRONMENT)).stdout;
    expect(text).toContain('zeta-zeta');
    expect(text).not.toMatch(/ZETA_CLIENT|to do/);
  });

  test.each<[string, (scene: Scene) => Promise<unknown>]>([
    ['its client is set later', (scene) => once(scene, [], OF_THE_PROVIDER)],
    ['everything is forced', (scene) => once(scene, ['--force'], OF_THE_PROVIDER)],
    [
      'a person forces everything',
      ({ root }) => run(root.path, ['refresh', '--force'], { ...ENVIRONMENT, ...OF_THE_PROVIDER }),
    ],
    [
      'a person names it',
      ({ root }) => run(root.path, ['refresh', 'oauth-zeta-c1', '--force'], { ...ENVIRONMENT, ...OF_THE_PROVIDER }),
    ],
    [
      'the state of the program is gone, and its client is set later',
      async (scene) => {
        scene.root.remove('.token-refresher');
        await once(scene, ['--force'], OF_THE_PROVIDER);
      },
    ],
    [
      'the client has another secret',
      async (scene) => {
        await once(scene, [], OF_THE_PROVIDER);
        await once(scene, ['--force'], { ...OF_THE_PROVIDER, ZETA_CLIENT_SECRET: 'another' });
      },
    ],
    [
      'a backup is put beside them',
      async (scene) => {
        scene.root.write('.oauth-tokens/a-backup.json', scene.root.json(COPY));
        await once(scene, ['--force'], OF_THE_PROVIDER);
      },
    ],
    [
      'the first is removed',
      async (scene) => {
        scene.root.remove(EGRESS);
        await once(scene, ['--force'], OF_THE_PROVIDER);
      },
    ],
  ])('is never spent: %s', async (_name, later) => {
    const scene = await twoFiles();
    const { root, server } = scene;
    await once(scene);
    expect(server.asked).toHaveLength(1);
    await later(scene);
    expect(server.asked.length).toBeGreaterThanOrEqual(1);
    expect(server.reuses).toEqual([]);
    if (root.has(EGRESS)) expect(root.json(EGRESS).refresh_token).toBe(server.newest);
  });

  test('a person who names it hears when it was spent, and where its successor is', async () => {
    const scene = await twoFiles();
    await once(scene);
    for (const command of ['refresh', 'token']) {
      const { code, stderr } = await run(scene.root.path, [command, 'oauth-zeta-c1'], ENVIRONMENT);
      expect(code).not.toBe(0);
      expect(stderr).toMatch(/oauth-zeta-c1.json is a copy of \.oauth-tokens\/zeta-zeta-egress\.json/);
      expect(stderr).toContain('zeta-zeta');
    }
    expect(scene.server.asked).toHaveLength(1);
  });
});

const FILE = '.oauth-tokens/fault-thing-egress.json';

describe('old content that comes back over its successor', () => {
  test.each<[string, (root: Root) => Promise<{ code: number | null }>]>([
    ['--once', (root) => run(root.path, ['--once'])],
    ['--once --force', (root) => run(root.path, ['--once', '--force'])],
    ['refresh', (root) => run(root.path, ['refresh', 'fault-thing'])],
    ['refresh --force', (root) => run(root.path, ['refresh', '--force'])],
    ['token', (root) => run(root.path, ['token', 'fault-thing'])],
  ])('is recognised by %s: the successor is put back, and nothing spent is sent', async (_name, command) => {
    const root = new Root();
    const server = await FaultServer.start();
    root.write(FILE, server.file({ note: 'first' }));
    const old = root.text(FILE);
    await run(root.path, ['--once']);
    await run(root.path, ['refresh', 'fault-thing']);
    expect(server.asked).toHaveLength(2);
    const newest = server.newest;
    root.write(FILE, old);
    expect((await command(root)).code).toBe(0);
    expect(server.reuses).toEqual([]);
    expect(server.revoked).toBe(false);
    expect([newest, server.newest]).toContain(root.json(FILE).refresh_token);
    expect(root.json(FILE)).toMatchObject({ refresh_token: server.newest, note: 'first' });
    expect(root.text('token_refresher.log')).toMatch(/an old copy had been written over it.*is back in its place/);
  });

  test('that has no successor left needs a login, and is not sent', async () => {
    const root = new Root();
    const server = await FaultServer.start();
    root.write(FILE, server.file());
    const old = root.text(FILE);
    await run(root.path, ['--once']);
    root.remove('.token-refresher');
    root.write(FILE, old);
    expect((await run(root.path, ['--once', '--force'])).code).toBe(1);
    const { tokens } = JSON.parse((await run(root.path, ['status', '--json'])).stdout);
    expect(tokens[0]).toMatchObject({ state: 'needs_login', reason: expect.stringMatching(/spent on/) });
    expect(server.asked).toHaveLength(1);
  });

  test("of another user's login is none: it stays", async () => {
    const root = new Root();
    const server = await FaultServer.start();
    root.write(FILE, server.file());
    await run(root.path, ['--once']);
    expect(root.json(FILE).refresh_token).toBe(server.newest);
    root.write(FILE, server.file({ refresh_token: 'of-a-new-login', expires_at: 4_000_000_000 }));
    expect((await run(root.path, ['--once'])).code).toBe(0);
    expect(root.json(FILE).refresh_token).toBe('of-a-new-login');
    expect(server.asked).toHaveLength(1);
  });

  test('over the token of a later login: that one is put back, as the daemon has seen it', async () => {
    const root = new Root();
    const server = await FaultServer.start();
    root.write(FILE, server.file());
    const old = root.text(FILE);
    const { cycle } = await appFor(root.path);
    await cycle();
    root.write(FILE, server.file({ refresh_token: 'of-a-new-login', expires_at: 4_000_000_000 }));
    await cycle(10);
    root.write(FILE, old);
    await cycle(10);
    expect(root.json(FILE).refresh_token).toBe('of-a-new-login');
    expect(server.asked).toHaveLength(1);
  });
});

describe('the place is gone when the answer comes', () => {
  test('a file that is moved away: its new token is put in when it is back', async () => {
    const root = new Root();
    const server = await FaultServer.start();
    root.write(FILE, server.file());
    const { cycle, log } = await appFor(root.path);
    server.witness = () => renameSync(root.full(FILE), root.full('away.json'));
    await cycle();
    expect(root.has(FILE)).toBe(false);
    expect(log.text).not.toMatch(/successfully refreshed/);
    expect(log.of('ERROR').join()).toMatch(/it is kept, and put there as soon as that is possible/);
    renameSync(root.full('away.json'), root.full(FILE));
    // Also another process knows.
    const { code } = await run(root.path, ['--once']);
    expect(code).toBe(0);
    expect(root.json(FILE).refresh_token).toBe(server.newest);
    expect(server.asked).toHaveLength(1);
  });

  test("a user who is taken out of a store and put back: the others' tokens stay as they are", async () => {
    const root = new Root();
    const server = await FaultServer.start();
    const { provider, ...ann } = server.file() as Record<string, unknown>;
    const bob = { access_token: 'made-up-bob', expires_at: 4_000_000_000 };
    const whole = { user_tokens: { ann, bob } };
    root.write('.kroger_tokens.json', whole);
    const { cycle } = await appFor(root.path);
    server.witness = () => root.write('.kroger_tokens.json', { user_tokens: { bob } });
    await cycle();
    expect(root.json('.kroger_tokens.json')).toEqual({ user_tokens: { bob } });
    root.write('.kroger_tokens.json', whole);
    await cycle(10);
    expect(root.json('.kroger_tokens.json').user_tokens).toMatchObject({
      ann: { refresh_token: server.newest },
      bob,
    });
    expect(server.asked).toHaveLength(1);
  });

  test('old content that is written meanwhile is not another program’s decision', async () => {
    const root = new Root();
    const server = await FaultServer.start();
    root.write(FILE, server.file());
    const old = root.text(FILE);
    await run(root.path, ['--once']);
    expect(server.asked).toHaveLength(1);
    server.witness = () => root.write(FILE, old);
    expect((await run(root.path, ['refresh', 'fault-thing'])).code).toBe(0);
    expect(server.asked).toHaveLength(2);
    expect(root.json(FILE).refresh_token).toBe(server.newest);
    expect(server.reuses).toEqual([]);
  });
});

describe('tokens that are brought', () => {
  test('a spent refresh token is not taken by setup, and the good one stays', async () => {
    const root = new Root();
    const server = await FaultServer.start();
    root.write(FILE, server.file());
    await run(root.path, ['--once']);
    const { call } = await import('../fixtures/command.js');
    const input = JSON.stringify({ access_token: 'made-up-old', refresh_token: server.asked[0]?.spent });
    const { code, stderr } = await call(root, ['setup', '--name', 'fault-thing', '--json'], {}, { input }).ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/was spent on .*its successor is in \.oauth-tokens\/fault-thing-egress\.json/);
    expect(root.json(FILE).refresh_token).toBe(server.newest);
  });
});

test('whoever looks while a token is being refreshed never finds it spent without a successor', async () => {
  const root = new Root();
  const server = await FaultServer.start();
  root.write(FILE, server.file());
  const { cycle } = await appFor(root.path);
  const { app: onlooker } = await appFor(root.path);
  const seen = new Set<string | undefined>();
  for (let n = 0; n < 30; n += 1) {
    let isOver = false;
    const cycling = cycle(3600).finally(() => {
      isOver = true;
    });
    while (!isOver) {
      seen.add(onlooker.look().surveyed[0]?.plan.state);
      await new Promise(setImmediate);
    }
    await cycling;
  }
  expect(server.asked.length).toBeGreaterThanOrEqual(30);
  expect(seen).toContain('valid');
  expect([...seen]).not.toContain('needs_login');
});
