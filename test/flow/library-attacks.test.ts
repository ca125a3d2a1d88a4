import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { FaultServer } from '../fixtures/fault-server.js';
import { BARE, follow } from '../fixtures/program.js';
import { Root } from '../fixtures/root.js';
import { MOUNTS, SmallRoot } from '../fixtures/small-root.js';

const LIBRARY = fileURLToPath(new URL('../../dist/library.mjs', import.meta.url));
const LATER = 4_000_000_000;

/** Runs a module that uses the built library; what it gives to `tell`, and what was said beside. */
async function runModule(root: Root, source: string, environment: Record<string, string> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'token-refresher-module-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'run.mjs');
  const head = `import { getTokenManager, TokenError } from ${JSON.stringify(LIBRARY)};
    import * as fs from 'node:fs';
    const told = []; const tell = (...all) => told.push(...all);
    const codeOf = (promise) => promise.then((value) => tell(value ?? null), (error) => tell(error instanceof TokenError ? error.code : String(error)));`;
  writeFileSync(file, `${head}\n${source}\nconsole.log(JSON.stringify(told));`);
  const child = spawn(process.execPath, [file], {
    cwd: folder,
    env: { ...BARE, TOKEN_REFRESHER_ROOT: root.path, ...environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const { code, stdout, stderr } = await follow(child).ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

const ALL = `
  const one = getTokenManager('thing', options);
  tell(one.tokens);
  await codeOf(one.getAccessToken());
  await codeOf(one.status());
  await codeOf(one.updateTokens({ accessToken: 'made-up-brought' }));`;

describe('whatever is wrong is told as a TokenError', () => {
  test('a root that is not there, and that stays so', async () => {
    const root = new Root();
    const path = root.full('no/such/root');
    const told = await runModule(root, `const options = { root: ${JSON.stringify(path)} };${ALL}`);
    expect(told).toEqual([null, 'not_found', 'not_found', 'not_kept']);
    expect(root.has('no')).toBe(false);
  });

  test('a root that is a file', async () => {
    const root = new Root().write('file', 'x');
    const told = await runModule(root, `const options = { root: ${JSON.stringify(root.full('file'))} };${ALL}`);
    expect(told).toEqual([null, 'not_found', 'not_found', 'not_kept']);
  });

  test('a root that vanishes in between: nothing is written where it was', async () => {
    const root = new Root();
    root.write('there/.oauth-tokens/thing.json', { access_token: 'made-up', expires_at: LATER });
    const path = JSON.stringify(root.full('there'));
    const told = await runModule(
      root,
      `const options = { root: ${path} };
      tell(await getTokenManager('thing', options).getAccessToken());
      fs.rmSync(${path}, { recursive: true });
      await codeOf(getTokenManager('thing', options).updateTokens({ accessToken: 'made-up-brought' }));`,
    );
    expect(told).toEqual(['made-up', 'not_kept']);
    expect(root.has('there')).toBe(false);
  });

  test('a setting that cannot be understood', async () => {
    const root = new Root().write('.oauth-tokens/thing.json', { access_token: 'made-up', expires_at: LATER });
    const told = await runModule(root, `const options = {};${ALL}`, { TOKEN_REFRESH_INTERVAL: 'often' });
    expect(told.slice(1)).toEqual(['needs_configuration', 'needs_configuration', 'needs_configuration']);
  });

  test('a token file that is broken, or that is a folder', async () => {
    const root = new Root().write('.oauth-tokens/thing.json', '{"access_token": "made-up');
    root.write('.oauth-tokens/folder.json/inside', '');
    const told = await runModule(root, `const options = {};${ALL}`);
    expect(told).toEqual([null, 'not_found', 'not_found', null]);
  });

  test.each([
    ['no access token', '{}'],
    ['an empty one', "{ accessToken: '' }"],
    ['a number', '{ accessToken: 7 }'],
    ['one with a line break', "{ accessToken: 'made-up\\nX-Evil: 1' }"],
    ['a lifetime that is none', "{ accessToken: 'made-up', expiresIn: NaN }"],
    ['a lifetime without end', "{ accessToken: 'made-up', expiresIn: Infinity }"],
    ['one that has expired', "{ accessToken: 'made-up', expiresIn: -1 }"],
  ])('updateTokens of %s', async (_what, tokens) => {
    const root = new Root();
    const told = await runModule(root, `await codeOf(getTokenManager('thing').updateTokens(${tokens}));`);
    expect(told).toEqual(['not_kept']);
    expect(root.has('.mcp_tokens_thing.json')).toBe(false);
  });

  test.skipIf(!MOUNTS).each<[string, (root: SmallRoot) => void]>([
    ['full', (root) => root.fill()],
    ['read-only', (root) => root.setReadOnly(true)],
  ])('a disk that is %s', async (_what, begin) => {
    const root = new SmallRoot();
    root.write('.oauth-tokens/thing.json', {
      access_token: 'made-up-good',
      refresh_token: 'made-up-r',
      expires_at: LATER,
    });
    begin(root);
    const told = await runModule(
      root,
      `const options = {};${ALL} await codeOf(getTokenManager('thing').getAccessToken());`,
    );
    expect(told.slice(3)).toEqual(['not_kept', 'made-up-good']);
    expect(root.json('.oauth-tokens/thing.json').refresh_token).toBe('made-up-r');
  });
});

test('a thousand managers, of one root and of many, refresh once and warn of nothing', async () => {
  const root = new Root();
  const server = await FaultServer.start();
  root.write('.oauth-tokens/thing.json', server.file());
  for (let n = 0; n < 20; n += 1)
    root.write(`roots/${n}/.oauth-tokens/thing.json`, { access_token: `made-up-${n}`, expires_at: LATER });
  const told = await runModule(
    root,
    `const all = Array.from({ length: 1000 }, () => getTokenManager('thing'));
    tell(new Set(await Promise.all(all.map((one) => one.getAccessToken()))).size);
    const many = Array.from({ length: 20 }, (_, n) => getTokenManager('thing', { root: ${JSON.stringify(root.path)} + '/roots/' + n }));
    tell(new Set(await Promise.all(many.map((one) => one.getAccessToken()))).size);`,
  );
  expect(told).toEqual([1, 20]);
  expect(server.asked).toHaveLength(1);
});

test('updates of one token at once, by many, leave one whole pair', async () => {
  const root = new Root();
  await runModule(
    root,
    `await Promise.all(Array.from({ length: 20 }, (_, n) =>
      getTokenManager('thing').updateTokens({ accessToken: 'a' + n, refreshToken: 'r' + n })));`,
  );
  const { access_token, refresh_token } = root.json('.mcp_tokens_thing.json');
  expect(access_token.slice(1)).toBe(refresh_token.slice(1));
});
