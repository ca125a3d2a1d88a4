import { spawnSync } from 'node:child_process';
import { readdirSync, symlinkSync } from 'node:fs';
import { describe, expect, it, onTestFinished, test } from 'vitest';
import { byChance } from '../fixtures/chance.js';
import { FaultServer } from '../fixtures/fault-server.js';
import { run, start, until } from '../fixtures/program.js';
import { REDIS, RedisServer } from '../fixtures/redis-server.js';
import { define, egress, LATER, open } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';
import { MOUNTS, mount } from '../fixtures/small-root.js';
import { hasTerminals, Terminal } from '../fixtures/terminal.js';

const FILE = '.oauth-tokens/fault-thing-egress.json';
const THING = { path: '/thing', mcp_endpoint: 'https://thing.test/mcp', auth_type: 'oauth', auth_provider: 'fault' };
const NOT_REVOKED = /^It was not revoked at its provider/m;

/** Everything below `.token-refresher` that is about tokens. */
const remembered = (root: Root): string[] =>
  ['attempts', 'tokens'].flatMap((folder) => {
    const path = `.token-refresher/${folder}`;
    return root.has(path) ? readdirSync(root.full(path)).map((name) => `${folder}/${name}`) : [];
  });
const serversIn = (root: Root): string[] => Object.keys(root.json('.oauth-tokens/mcp.json').mcpServers);

/** A root whose only token has been refreshed once. */
async function refreshedOnce() {
  const root = new Root();
  const server = await FaultServer.start();
  root.write(FILE, server.file());
  define(root, 'thing.json', THING);
  define(root, 'open.json', open('open'));
  expect(await run(root.path, ['--once'])).toMatchObject({ code: 0 });
  expect(remembered(root).length).toBeGreaterThan(1);
  expect(serversIn(root)).toEqual(['open', 'thing']);
  return { root, server };
}

describe('logout', () => {
  it.each([
    ['the name of the token', 'fault-thing'],
    ['the key of the server', 'thing'],
  ])('takes away file, journal, backup and outputs, by %s', async (_, name) => {
    const { root } = await refreshedOnce();
    const done = await run(root.path, ['logout', name, '--yes']);
    expect(done).toMatchObject({ code: 0, stdout: `fault-thing: logged out; removed ${FILE}\n` });
    expect(done.stderr).toMatch(NOT_REVOKED);
    expect(root.has(FILE)).toBe(false);
    expect(remembered(root)).toEqual([]);
    expect(serversIn(root)).toEqual(['open']);
    const status = JSON.parse((await run(root.path, ['status', '--json'])).stdout);
    expect(status.tokens).toEqual([]);
    expect(root.text('token_refresher.log')).toMatch(/fault-thing was taken away by a logout/);
  });

  it('says in JSON what it has done', async () => {
    const { root } = await refreshedOnce();
    const { code, stdout } = await run(root.path, ['logout', 'thing', '--yes', '--json']);
    const report = { name: 'fault-thing', files: [FILE], servers: ['thing'], revoked: false };
    expect({ code, report: JSON.parse(stdout) }).toEqual({ code: 0, report });
  });

  it('of a name that nothing has lists the names, and changes nothing', async () => {
    const { root } = await refreshedOnce();
    const { code, stdout, stderr } = await run(root.path, ['logout', 'fault-thin', '--yes']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/no token or server "fault-thin"; did you mean "fault-thing"\?; there are: fault-thing\n$/);
    expect((await run(root.path, ['logout', 'open', '--yes'])).stderr).toMatch(/server open has no token of its own/);
    expect(root.has(FILE)).toBe(true);
    expect((await run(root.path, ['logout'])).code).toBe(2);
  });

  it('without a terminal and without --yes refuses, with the line to run', async () => {
    const { root } = await refreshedOnce();
    const refused = await run(root.path, ['logout', 'thing']);
    expect(refused).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('logout fault-thing --yes') });
    expect(root.has(FILE)).toBe(true);
  });

  test.skipIf(!hasTerminals)('asks on a terminal, and takes only yes for yes', async () => {
    const { root } = await refreshedOnce();
    for (const [answer, code] of [
      ['', 1],
      ['n', 1],
      ['y', 0],
    ] as const) {
      const terminal = Terminal.ofProgram(root, ['logout', 'thing']);
      await terminal.sees(`fault-thing: ${FILE}, which thing cannot be used without`);
      await terminal.answers('[y/N] ', answer);
      expect((await terminal.ended).code).toBe(code);
      expect(root.has(FILE)).toBe(code !== 0);
    }
  });

  it('takes copies away, too: else one of them would be the token', async () => {
    const { root } = await refreshedOnce();
    const copy = '.oauth-tokens/backup-of-it.json';
    root.write(copy, root.json(FILE));
    expect((await run(root.path, ['logout', 'backup-of-it', '--yes'])).stderr).toContain('is a copy of');
    const { code, stdout } = await run(root.path, ['logout', 'thing', '--yes']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `fault-thing: logged out; removed ${FILE}, ${copy}\n` });
    expect([root.has(FILE), root.has(copy)]).toEqual([false, false]);
  });

  it('takes away what a link leads to, and the link', async () => {
    const { root } = await refreshedOnce();
    const elsewhere = new Root().write('kept/there.json', root.json(FILE));
    root.remove(FILE);
    symlinkSync(elsewhere.full('kept/there.json'), root.full(FILE));
    expect(await run(root.path, ['logout', 'thing', '--yes'])).toMatchObject({ code: 0 });
    expect(readdirSync(root.full('.oauth-tokens'))).not.toContain('fault-thing-egress.json');
    expect(elsewhere.has('kept/there.json')).toBe(false);
  });

  test.skipIf(!MOUNTS)('empties a file that is a mount of its own', async () => {
    const { root } = await refreshedOnce();
    mount('--bind', root.full(FILE), root.full(FILE));
    onTestFinished(() => void spawnSync('umount', ['-l', root.full(FILE)]));
    expect(await run(root.path, ['logout', 'thing', '--yes'])).toMatchObject({ code: 0 });
    expect(root.text(FILE)).toBe('{}\n');
    expect(serversIn(root)).toEqual(['open']);
  });

  it('forgets the client that was registered for it alone', async () => {
    const registration = { issuer: 'https://as.test', client_id: 'registered', redirect_uri: null };
    const path = '.token-refresher/registrations/https%3A%2F%2Fas.test.json';
    const fields = { client_registration: 'dynamic', client_id: 'registered', expires_at: LATER };
    const root = new Root().write(path, registration);
    const [first, token] = egress('acme', 'first', 'made-up-access');
    const [second, other] = egress('acme', 'second', 'made-up-other');
    root.write(first, { ...token, ...fields }).write(second, { ...other, ...fields });
    await run(root.path, ['logout', 'acme-first', '--yes']);
    expect(root.has(path)).toBe(true);
    await run(root.path, ['logout', 'acme-second', '--yes']);
    expect(root.has(path)).toBe(false);
  });

  it('of a token that a definition asks for says what would bring it back', async () => {
    const root = new Root().write('registry/tokens/machine.json', {
      name: 'machine',
      provider: 'fault',
      grant_type: 'client_credentials',
    });
    root.write('.oauth-tokens/machine.json', { access_token: 'made-up', expires_at: LATER, provider: 'fault' });
    const { code, stderr } = await run(root.path, ['logout', 'machine', '--yes']);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('registry/tokens/machine.json') });
    expect(root.has('.oauth-tokens/machine.json')).toBe(true);
  });

  it('is not undone by the environment that the token once came from', async () => {
    const root = new Root();
    const provider = { provider: 'acme', token_endpoint: 'https://as.test/token' };
    const environment = {
      refresh_token: 'ACME_REFRESH_TOKEN',
      access_token: 'ACME_ACCESS_TOKEN',
      expires_at: 'ACME_END',
    };
    root.write('registry/providers/acme.json', { ...provider, environment });
    const given = {
      ACME_REFRESH_TOKEN: 'made-up-refresh',
      ACME_ACCESS_TOKEN: 'made-up-access',
      ACME_END: String(LATER),
    };
    expect(await run(root.path, ['import-env'], given)).toMatchObject({ code: 0 });
    expect(root.has('.oauth-tokens/acme.json')).toBe(true);
    const { code, stderr } = await run(root.path, ['logout', 'acme', '--yes'], given);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringContaining('ACME_ACCESS_TOKEN, ACME_REFRESH_TOKEN'),
    });
    await run(root.path, ['--once'], given);
    expect(root.has('.oauth-tokens/acme.json')).toBe(false);
  });

  it('beside a daemon waits for the refresh under way; nothing brings it back, and a later login is a new token', async () => {
    const root = new Root();
    const server = await FaultServer.start();
    root.write(FILE, server.file());
    define(root, 'thing.json', THING);
    start(root.path);
    await until(() => root.has('.oauth-tokens/mcp.json') && serversIn(root).includes('thing'), 'the first cycle');
    await until(() => root.json(FILE).refresh_token === server.newest && remembered(root).length > 1, 'a refresh');
    const release = server.hold();
    const refreshing = run(root.path, ['refresh', 'fault-thing']);
    await until(() => server.asked.length === 2, 'the token request');
    const logout = run(root.path, ['logout', 'thing', '--yes']);
    await byChance(1500);
    release();
    expect((await refreshing).code).toBe(0);
    expect(await logout).toMatchObject({ code: 0 });
    expect(root.has(FILE)).toBe(false);
    await until(() => !serversIn(root).includes('thing'), 'its cycle');
    expect(remembered(root)).toEqual([]);
    expect(root.has(FILE)).toBe(false);

    const again = await FaultServer.start('again');
    root.write(FILE, again.file());
    await until(() => root.json(FILE).refresh_token === again.newest, 'the new token');
    await until(() => serversIn(root).includes('thing'), 'its server');
    expect(server.asked).toHaveLength(2);
  });
});

describe('logout of a user of a store', () => {
  const user = (n: number, indent: string): string =>
    `{\n${indent}  "access_token": "made-up-${n}",\n${indent}  "refresh_token" : "made-up-refresh-${n}", "expires_at": ${LATER}.50\n${indent}}`;
  const store = (users: readonly number[], eol = '\n', mark = ''): string =>
    `${mark}{\n    "user_tokens": {${users.map((n) => `\n        "u${n}": ${user(n, '        ')}`).join(',')}\n    },\n    "big": 12345678901234567890,   "odd": [1 ,2]\n}\n`.replaceAll(
      '\n',
      eol,
    );

  it.each([
    ['the first', 1, [2, 3]],
    ['one between others', 2, [1, 3]],
    ['the last', 3, [1, 2]],
  ])('leaves the others as they are, to the byte: %s', async (_, gone, left) => {
    for (const [eol, mark] of [
      ['\n', ''],
      ['\r\n', '\uFEFF'],
    ] as const) {
      const root = new Root().write('.kroger_tokens.json', store([1, 2, 3], eol, mark));
      expect(await run(root.path, ['logout', `kroger:u${gone}`, '--yes'])).toMatchObject({ code: 0 });
      expect(root.text('.kroger_tokens.json')).toBe(store(left, eol, mark));
      expect(root.mode('.kroger_tokens.json')).toBe(0o600);
    }
  });

  it('leaves the file where it was the only one', async () => {
    const root = new Root().write('.kroger_tokens.json', store([1]));
    expect(await run(root.path, ['logout', 'kroger:u1', '--yes'])).toMatchObject({ code: 0 });
    expect(root.text('.kroger_tokens.json')).toMatch(
      /"user_tokens": \{\s*\},\n {4}"big": 12345678901234567890, {3}"odd": \[1 ,2\]\n\}\n$/,
    );
  });
});

describe.skipIf(!REDIS)('logout where tokens are in Redis', () => {
  it('takes the published key away', async () => {
    const root = new Root();
    const redis = await RedisServer.start();
    root.write('.oauth-tokens/thing.json', { access_token: 'made-up', scope: 'thing', expires_at: LATER });
    root.write('.oauth-tokens/other.json', { access_token: 'made-up-2', scope: 'other', expires_at: LATER });
    start(root.path, [], redis.environment);
    const keys = async () => (await redis.ask<string[]>('KEYS', 'annika:tokens:agent:*')).sort();
    await expect.poll(keys).toEqual(['annika:tokens:agent:other', 'annika:tokens:agent:thing']);
    expect(await run(root.path, ['logout', 'thing', '--yes'], redis.environment)).toMatchObject({ code: 0 });
    await expect.poll(keys).toEqual(['annika:tokens:agent:other']);
  });
});
