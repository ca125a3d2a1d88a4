import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FaultServer } from '../fixtures/fault-server.js';
import { BARE, follow } from '../fixtures/program.js';
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
});
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
    expect.arrayContaining([
      'dist/main.cjs',
      'dist/library.mjs',
      'dist/library.d.mts',
      'dist/library.d.cts',
      'dist/THIRD-PARTY-LICENSES.txt',
      'README.md',
      'LICENSE',
    ]),
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
});

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
