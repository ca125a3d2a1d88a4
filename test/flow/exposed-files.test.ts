import { chmodSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { run, start, until } from '../fixtures/program.js';
import { LATER } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';

const TOKEN = { provider: 'acme', access_token: 'made-up-access', expires_at: LATER };
const LOG = 'token_refresher.log';

/** A root in which nothing is open to others. */
function closed(): Root {
  const root = new Root()
    .write('.oauth-tokens/acme-thing-egress.json', TOKEN)
    .write('.oauth-tokens/agent-x.json', { client_id: 'made-up', client_secret: 'made-up-secret' })
    .write('.oauth-tokens/oauth-acme-readable-1.json', TOKEN)
    .write('.mcp_tokens_readonly.json', TOKEN)
    .write('.kroger_tokens.json', { user_tokens: { user_default: { access_token: 'made-up', expires_at: LATER } } })
    .write('.env', 'MADE_UP=1\n')
    .write('.token-refresher/api-key', 'made-up-key\n')
    .write('.token-refresher/tokens/one.json', '{}')
    .write(LOG, '')
    .write(`${LOG}.1`, '');
  return root;
}

const LIVE = { TOKEN_DELIVERY: '' };
const linesOf = (text: string) => text.split('\n').filter((line) => line.includes('others may'));

describe('a file with secrets that others may read or write', () => {
  it.each<[file: string, mode: number, what: string]>([
    ['.oauth-tokens/acme-thing-egress.json', 0o644, 'read'],
    ['.oauth-tokens/acme-thing-egress.json', 0o640, 'read'],
    ['.oauth-tokens/acme-thing-egress.json', 0o602, 'write'],
    ['.oauth-tokens/acme-thing-egress.json', 0o666, 'read and write'],
    ['.oauth-tokens/agent-x.json', 0o644, 'read'],
    ['.oauth-tokens/oauth-acme-readable-1.json', 0o644, 'read'],
    ['.mcp_tokens_readonly.json', 0o604, 'read'],
    ['.kroger_tokens.json', 0o660, 'read and write'],
    ['.env', 0o644, 'read'],
    ['.token-refresher/api-key', 0o644, 'read'],
    [LOG, 0o644, 'read'],
    [`${LOG}.1`, 0o644, 'read'],
  ])('%s of mode %o is named by validate and status, with what mends it', async (file, mode, what) => {
    const root = closed();
    chmodSync(root.full(file), mode);
    const told = `${file}: others may ${what} it (mode 0${mode.toString(8)}); run: chmod 600 ${file}`;
    const validated = await run(root.path, ['validate'], LIVE);
    expect(linesOf(validated.stdout)).toEqual([told]);
    expect(validated.code).toBe(0);
    expect(validated.stderr).toMatch(/everything is in order, \d warnings/);
    const { problems } = JSON.parse((await run(root.path, ['status', '--json'], LIVE)).stdout);
    expect(problems).toContainEqual({ file, pointer: '', message: told.slice(file.length + 2) });
    expect((await run(root.path, ['status'], LIVE)).stdout).toContain('chmod 600');
    chmodSync(root.full(file), 0o600);
    expect(linesOf((await run(root.path, ['validate'], LIVE)).stdout)).toEqual([]);
  });

  it.each([
    ['.oauth-tokens', 0o770, '.oauth-tokens'],
    ['.token-refresher', 0o777, '.token-refresher'],
  ])('a folder that others may write: %s', async (folder, mode, named) => {
    const root = closed();
    chmodSync(root.full(folder), mode);
    expect(linesOf((await run(root.path, ['validate'], LIVE)).stdout)[0]).toMatch(
      new RegExp(`^\\${named}: others may write it .*chmod 700 \\${named}$`),
    );
  });

  it('what is deeper is named where its folder is open, and a folder that is only read is not', async () => {
    const root = closed();
    chmodSync(root.full('.token-refresher/tokens/one.json'), 0o644);
    expect(linesOf((await run(root.path, ['validate'], LIVE)).stdout)).toEqual([]);
    chmodSync(root.full('.token-refresher'), 0o755);
    expect(linesOf((await run(root.path, ['validate'], LIVE)).stdout)).toEqual([
      expect.stringMatching(/^\.token-refresher\/tokens\/one\.json: others may read it/),
    ]);
  });

  it('outputs that hold tokens count, those of live do not', async () => {
    const root = closed();
    await run(root.path, ['render', '--outputs', 'mcp.json'], LIVE);
    chmodSync(root.full('.oauth-tokens/mcp.json'), 0o644);
    expect(linesOf((await run(root.path, ['validate'], LIVE)).stdout)).toEqual([]);
    expect(linesOf((await run(root.path, ['validate'], { TOKEN_DELIVERY: 'http' })).stdout)).toEqual([
      expect.stringMatching(/^\.oauth-tokens\/mcp\.json: others may read it/),
    ]);
  });

  it('is told by the log of a daemon once, and when it is mended', async () => {
    const root = closed();
    const file = '.oauth-tokens/acme-thing-egress.json';
    chmodSync(root.full(file), 0o644);
    await start(root.path);
    const told = () =>
      root
        .text(LOG)
        .split('\n')
        .filter((line) => line.includes(file));
    await until(() => told().some((line) => line.includes(`run: chmod 600 ${file}`)), 'the warning');
    chmodSync(root.full(file), 0o600);
    await until(() => told().some((line) => line.endsWith('is in order again')), 'that it is mended');
    expect(linesOf(told().join('\n'))).toEqual([expect.stringContaining(' - WARNING - SCAN - ')]);
  });
});

it('a log that others could read is closed to them when it is opened, and so are older ones', async () => {
  const root = closed();
  for (const file of [LOG, `${LOG}.1`]) chmodSync(root.full(file), 0o644);
  await run(root.path, ['--once', '--log-level', 'warning'], LIVE);
  expect([root.mode(LOG), root.mode(`${LOG}.1`)]).toEqual([0o600, 0o600]);
  const lines = root
    .text(LOG)
    .split('\n')
    .filter((line) => line.includes('it is 0600 now'));
  expect(lines).toEqual([
    expect.stringMatching(/WARNING - CONFIG - .*token_refresher\.log: others could read or write it \(mode 0644\)/),
    expect.stringMatching(/WARNING - CONFIG - .*token_refresher\.log\.1: others could/),
  ]);
});

it('what the program makes is open to nobody, whatever the umask', async () => {
  const root = new Root().write('.oauth-tokens/acme-thing-egress.json', TOKEN);
  const before = process.umask(0);
  try {
    await run(root.path, ['--once'], LIVE);
  } finally {
    process.umask(before);
  }
  expect(root.mode(LOG)).toBe(0o600);
  expect(linesOf((await run(root.path, ['validate'], LIVE)).stdout)).toEqual([]);
});
