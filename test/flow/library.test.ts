import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FaultServer, refusal } from '../fixtures/fault-server.js';
import { BARE, follow, run } from '../fixtures/program.js';
import { Root } from '../fixtures/root.js';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const FILE = '.oauth-tokens/thing.json';
/** An empty project that has installed what `npm publish` would send. */
const project = mkdtempSync(join(tmpdir(), 'token-refresher-project-'));
let packed: string[] = [];

beforeAll(() => {
  const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', project];
  const [{ filename, files }] = JSON.parse(
    execFileSync('npm', pack, { cwd: REPOSITORY, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
  );
  packed = files.map(({ path }: { path: string }) => path);
  writeFileSync(join(project, 'package.json'), '{"type": "module", "private": true}');
  const install = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts', `./${filename}`];
  execFileSync('npm', install, { cwd: project, stdio: 'ignore' });
}, 120_000);
afterAll(() => rmSync(project, { recursive: true, force: true }));

/** Runs a module of the project; what it gives to `tell`. */
async function runModule(root: Root, source: string, environment: Record<string, string> = {}): Promise<unknown[]> {
  const name = `run-${readdirSync(project).length}-${Date.now()}.mjs`;
  const head = `import { getTokenManager, TokenError } from 'mcp-token-refresher';
    const told = []; const tell = (...all) => told.push(...all);`;
  writeFileSync(join(project, name), `${head}\n${source}\nconsole.log(JSON.stringify(told));`);
  const environment_ = { ...BARE, TOKEN_REFRESHER_ROOT: root.path, ...environment };
  const child = spawn(process.execPath, [name], { cwd: project, env: environment_, stdio: ['pipe', 'pipe', 'pipe'] });
  const { code, stdout, stderr } = await follow(child).ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

test('the package holds what it needs and nothing that is made', () => {
  expect(packed).toEqual(
    expect.arrayContaining(['dist/main.cjs', 'dist/library.mjs', 'dist/library.d.ts', 'README.md', 'LICENSE']),
  );
  expect(packed.filter((path) => /\.cache$|^src|^test|^registry\/servers|\.env$|^token_refresher/.test(path))).toEqual(
    [],
  );
  const help = execFileSync('npx', ['--no-install', 'token-refresher', '--version'], {
    cwd: project,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  expect(help).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test('its types are those of a strict project', () => {
  const source = `import { getTokenManager, type NewTokens, TokenError, type TokenManager, type Tokens, type TokenStatus } from 'mcp-token-refresher';
    const manager: TokenManager = getTokenManager('thing', { root: '.' });
    const token: string = await manager.getAccessToken();
    const tokens: Tokens | null = manager.tokens;
    const status: TokenStatus = await manager.status();
    const brought: NewTokens = { accessToken: token, expiresIn: status.expires_at ?? 60 };
    await manager.updateTokens(brought);
    export const code: string = new TokenError('x', String(tokens?.refreshToken)).code;
    // @ts-expect-error: a name is wanted
    getTokenManager();`;
  writeFileSync(join(project, 'types.ts'), source);
  mkdirSync(join(project, 'node_modules/@types'), { recursive: true });
  symlinkSync(join(REPOSITORY, 'node_modules/@types/node'), join(project, 'node_modules/@types/node'));
  const tsc = join(REPOSITORY, 'node_modules/typescript/bin/tsc');
  const options = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--skipLibCheck', 'false'];
  execFileSync(process.execPath, [tsc, ...options, 'types.ts'], { cwd: project, encoding: 'utf8' });
}, 60_000);

describe('a token manager', () => {
  test('gives a valid token, refreshed by one request for everybody who asks, and lets the process end', async () => {
    const root = new Root();
    const server = await FaultServer.start();
    server.delay = 50;
    root.write(FILE, server.file());
    const told = await runModule(
      root,
      `
      const all = Array.from({ length: 20 }, () => getTokenManager('thing'));
      tell(all[0].tokens.accessToken);
      tell(...new Set(await Promise.all(all.map((one) => one.getAccessToken()))));
      tell(all[0].tokens, await all[0].status());`,
    );
    expect(server.asked).toHaveLength(1);
    const { access_token, refresh_token, expires_at } = root.json(FILE);
    expect(told).toEqual([
      'made-up-access-00001',
      access_token,
      { accessToken: access_token, refreshToken: refresh_token, expiresAt: expires_at },
      expect.objectContaining({ name: 'thing', state: 'valid', expires_at, missing: [] }),
    ]);
  });

  test('shares its refreshes with other processes', async () => {
    const root = new Root();
    const server = await FaultServer.start();
    server.delay = 100;
    root.write(FILE, server.file());
    const ask = "tell(await getTokenManager('thing').getAccessToken());";
    const [a, b, c] = await Promise.all([
      runModule(root, ask),
      runModule(root, ask),
      run(root.path, ['token', 'thing']),
    ]);
    expect(server.asked).toHaveLength(1);
    expect([a, b, [c.stdout.trim()]]).toEqual(Array(3).fill([root.json(FILE).access_token]));
  });

  test('keeps tokens that came from elsewhere', async () => {
    const root = new Root();
    root.write('.oauth-tokens/old-token.json', {
      access_token: 'made-up-old',
      refresh_token: 'made-up-refresh',
      note: 'kept',
    });
    const told = await runModule(
      root,
      `
      await getTokenManager('old').updateTokens({ accessToken: 'made-up-new', expiresIn: 60 });
      const fresh = getTokenManager('fresh', { root: process.env.TOKEN_REFRESHER_ROOT });
      await fresh.updateTokens({ accessToken: 'made-up-a', refreshToken: 'made-up-r' });
      tell(getTokenManager('old').tokens.accessToken, await fresh.getAccessToken(), fresh.tokens);`,
    );
    expect(told).toEqual([
      'made-up-new',
      'made-up-a',
      { accessToken: 'made-up-a', refreshToken: 'made-up-r', expiresAt: null },
    ]);
    expect(root.json('.oauth-tokens/old-token.json')).toMatchObject({
      access_token: 'made-up-new',
      refresh_token: 'made-up-refresh',
      note: 'kept',
    });
    expect(root.json('.mcp_tokens_fresh.json')).toMatchObject({ access_token: 'made-up-a' });
    expect(root.mode('.mcp_tokens_fresh.json')).toBe(0o600);
  });

  test('rejects with a code, and a message that says what to do and nothing secret', async () => {
    const root = new Root();
    const server = await FaultServer.start();
    server.next.push(refusal('invalid_grant'));
    root.write(FILE, server.file());
    root.write('.oauth-tokens/bare.json', { access_token: 'made-up-bare', expires_at: 1 });
    const told = await runModule(
      root,
      `
      for (const name of ['thing', 'bare', 'nothing']) {
        const manager = getTokenManager(name);
        await manager.getAccessToken().catch((error) => tell([error instanceof TokenError, error.code, error.message]));
      }
      await getTokenManager('../evil').updateTokens({ accessToken: 'x' }).catch((error) => tell(error.code));
      await getTokenManager('nothing').status().catch((error) => tell(error.code));`,
    );
    expect(told).toEqual([
      [true, 'needs_login', expect.stringMatching(/invalid_grant; run: token-refresher login fault$/)],
      [true, 'expired', expect.stringMatching(/^token bare cannot be used: .*no refresh token/)],
      [true, 'not_found', expect.stringContaining('there is no token "nothing"')],
      'not_kept',
      'not_found',
    ]);
    expect(JSON.stringify(told)).not.toContain('made-up');
  });
});
