import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { appFor } from '../fixtures/app.js';
import { FaultServer } from '../fixtures/fault-server.js';
import { run } from '../fixtures/program.js';
import { Root } from '../fixtures/root.js';

const FILE = '.oauth-tokens/fault-thing-egress.json';
const SERVER = { path: '/thing', mcp_endpoint: 'https://thing.example/mcp', auth_type: 'oauth', token: 'fault-thing' };

describe('a token file that its schema refuses', () => {
  /** The root's own schema wants what the file has at first. */
  const schema = { type: 'object', required: ['approved'], additionalProperties: true };
  const scene = async () => {
    const server = await FaultServer.start();
    const root = new Root()
      .write('schemas/token-file.schema.json', schema)
      .write('registry/servers/thing.json', SERVER);
    const now = 1_800_000_000;
    const good = server.file({ approved: true, expires_at: now + 7200 });
    root.write(FILE, good);
    const fixture = await appFor(root.path);
    await fixture.cycle();
    root.write(FILE, { ...good, approved: undefined });
    return { root, server, ...fixture };
  };

  it('is left as it is, spends nothing, and its last good token is served', async () => {
    const { root, server, cycle, app } = await scene();
    const text = root.text(FILE);
    for (let hours = 0; hours < 3; hours += 1) await cycle(3600, hours === 2);
    expect(root.text(FILE)).toBe(text);
    expect(server.asked).toEqual([]);
    expect(root.text('.oauth-tokens/mcp.json')).toContain('made-up-access-00001');
    expect(app.look().world.problems).toMatchObject([{ file: FILE, message: 'must have "approved"' }]);
    root.write(FILE, { ...root.json(FILE), approved: true });
    await cycle(3600);
    expect(server.asked).toHaveLength(1);
  });
});

describe('a file with bytes that are no UTF-8', () => {
  it('keeps them when its token is refreshed, and is named', async () => {
    const server = await FaultServer.start();
    const text = JSON.stringify(server.file({ note: 'für Größe', access_token: 'made-up-old' }), null, 2);
    const root = new Root().write(FILE, '');
    writeFileSync(root.full(FILE), Buffer.from(text, 'latin1'));
    const { cycle } = await appFor(root.path);
    await cycle();
    const now = readFileSync(root.full(FILE)).toString('latin1');
    expect(JSON.parse(now)).toMatchObject({ note: 'für Größe', refresh_token: server.newest });
    const { stdout } = await run(root.path, ['validate']);
    expect(stdout).toContain(`${FILE}: holds bytes that are no UTF-8`);
  });

  it('that is UTF-16 is read and refreshed', async () => {
    const server = await FaultServer.start();
    const root = new Root().write(FILE, '');
    writeFileSync(root.full(FILE), Buffer.from(`\uFEFF${JSON.stringify(server.file({ note: 'ü' }))}`, 'utf16le'));
    const { cycle } = await appFor(root.path);
    await cycle();
    expect(root.json(FILE)).toMatchObject({ note: 'ü', refresh_token: server.newest });
  });
});

describe('users whom no file name can name', () => {
  const USERS = [
    '\\ud800',
    '\\udfff',
    '\\ud800\\ud800',
    '\\ufffd',
    '\\u0000',
    '../../..',
    '',
    'a'.repeat(9999),
    '__proto__',
  ];

  it('are ordinary ones: each is refreshed, under a journal of its own', async () => {
    const server = await FaultServer.start();
    const { access_token, refresh_token, ...fields } = server.file() as Record<string, string>;
    const users = USERS.map((user, n) => {
      const tokens = { ...fields, access_token: `old-${n}`, client_id: 'c', token_endpoint_auth_method: 'none' };
      return `"${user}": ${JSON.stringify({ ...tokens, ...(n === 0 && { refresh_token }) })}`;
    });
    expect(access_token).toBeDefined();
    const root = new Root().write('.kroger_tokens.json', `{"user_tokens": {${users.join(', ')}}}`);
    const { app, cycle } = await appFor(root.path);
    await cycle();
    expect(app.look().world.tokens).toHaveLength(USERS.length);
    expect(root.json('.kroger_tokens.json').user_tokens['\ud800'].refresh_token).toBe(server.newest);
    for (const command of [['status'], ['validate'], ['health'], ['token', 'kroger:x'], ['--once']]) {
      const { stdout, stderr, signal } = await run(root.path, command);
      expect([command, signal]).toEqual([command, null]);
      expect(stdout + stderr).not.toMatch(/malformed|ERR_INVALID/);
    }
  });
});
