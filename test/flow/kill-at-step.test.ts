import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Step } from '../../src/work/refresh.js';
import { PACKAGE_ROOT } from '../fixtures/app.js';
import { FaultServer, type Temper } from '../fixtures/fault-server.js';
import { leftLocks } from '../fixtures/left-locks.js';
import { run } from '../fixtures/program.js';
import { REDIS, RedisServer } from '../fixtures/redis-server.js';
import { Root } from '../fixtures/root.js';

const FILE = '.oauth-tokens/fault-thing-egress.json';
const folder = mkdtempSync(join(tmpdir(), 'token-refresher-child-'));
const child = join(folder, 'dies-at-step.cjs');

beforeAll(async () => {
  await build({
    entryPoints: [fileURLToPath(new URL('../fixtures/dies-at-step.ts', import.meta.url))],
    outfile: child,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    mainFields: ['module', 'main'],
    banner: { js: "const OWN_URL = require('node:url').pathToFileURL(__filename).href;" },
    define: { 'import.meta.url': 'OWN_URL' },
    logLevel: 'error',
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

async function killedAt(step: Step, root: Root, environment: Record<string, string> = {}): Promise<void> {
  const env = { ...process.env, ...environment };
  const dying = spawn(process.execPath, [child, root.path, step, PACKAGE_ROOT], { stdio: 'ignore', env });
  expect(await once(dying, 'exit')).toEqual([null, 'SIGKILL']);
}

function temporaries(root: Root): string[] {
  const folders = ['.', '.oauth-tokens', '.token-refresher/attempts'].filter((path) => root.has(path));
  return folders.flatMap((path) => readdirSync(root.full(path))).filter((name) => name.endsWith('.tmp'));
}

interface Row {
  readonly step: Step;
  /** Requests before the death and after it. */
  readonly before: number;
  readonly after: number;
  /** The number of the refresh token that is on disk when it died. */
  readonly kept: number;
}

const ROWS: readonly Row[] = [
  { step: 'locked', before: 0, after: 1, kept: 1 },
  { step: 'reserved', before: 0, after: 1, kept: 1 },
  { step: 'journaled', before: 0, after: 1, kept: 1 },
  { step: 'answered', before: 1, after: 1, kept: 1 },
  // Its tokens are safe, and put in their place by whoever comes next.
  { step: 'backed-up', before: 1, after: 0, kept: 1 },
  { step: 'saved', before: 1, after: 0, kept: 2 },
  { step: 'recorded', before: 1, after: 0, kept: 2 },
];

const refreshToken = (n: number): string => `made-up-refresh-0000${n}`;

describe.each<Temper>(['graceful', 'strict'])('killed, with a server that is %s', (temper) => {
  test.each(ROWS)('at the step $step', async ({ step, before, after, kept }) => {
    const root = new Root();
    const server = await FaultServer.start();
    server.temper = temper;
    root.write(FILE, server.file());
    await killedAt(step, root);
    expect(server.asked).toHaveLength(before);
    expect(root.json(FILE).refresh_token).toBe(refreshToken(kept));

    expect(leftLocks(root)).toEqual([expect.stringContaining('.locks/')]);
    const { code, stderr } = await run(root.path, ['--once']);
    expect(server.asked).toHaveLength(before + after);
    expect(temporaries(root)).toEqual([]);
    expect(root.text('token_refresher.log')).toContain('cycle completed');
    const lost = step === 'answered';
    expect(server.reuses).toHaveLength(lost ? 1 : 0);
    if (lost) expect(root.text('token_refresher.log')).toMatch(/answer to its last request was lost; asking again/);
    if (lost && temper === 'strict') {
      // Nobody can have it back: parked, and said.
      expect(root.json(FILE).refresh_token).toBe(refreshToken(1));
      expect(code).toBe(1);
      expect(stderr).toMatch(/needs login/);
      await run(root.path, ['--once']);
      expect(server.asked).toHaveLength(2);
    } else {
      expect(stderr).toBe('');
      expect(root.json(FILE).refresh_token).toBe(server.newest);
    }
  });
});

test('killed again and again at each step: what was received last is on disk in the end', async () => {
  const root = new Root();
  const server = await FaultServer.start();
  server.temper = 'graceful';
  root.write(FILE, server.file({ expires_at: 1 }));
  for (const { step } of [...ROWS, ...ROWS.toReversed()]) {
    const file = root.json(FILE);
    // Due again, as if an hour had gone by.
    root.write(FILE, { ...file, expires_at: 1 });
    root.remove('.token-refresher/attempts');
    await killedAt(step, root);
    // Puts back what was safe, which is not due yet.
    if (step === 'backed-up') await run(root.path, ['--once']);
  }
  root.write(FILE, { ...root.json(FILE), expires_at: 1 });
  root.remove('.token-refresher/attempts');
  await run(root.path, ['--once']);
  expect(root.json(FILE).refresh_token).toBe(server.newest);
});

test('a lock of a machine that died while it shared the folder is free when it has been watched', {
  timeout: 60_000,
}, async () => {
  const root = new Root();
  const server = await FaultServer.start();
  root.write(FILE, server.file());
  const lock = '.oauth-tokens/.locks/fault-thing-egress.1-1-another0-machine0-0-12345678-since-1.lock';
  root.write(lock, '');
  expect(await run(root.path, ['--once'])).toMatchObject({ code: 0 });
  expect(root.json(FILE).refresh_token).toBe(server.newest);
  expect(server.asked).toHaveLength(1);
  // It was the lock of that token: taken, and given back.
  expect(leftLocks(root)).toEqual([]);
});

test.skipIf(!REDIS)(
  'killed at each step while another machine shares the token: that one goes on with it, and spends no other',
  async () => {
    const redis = await RedisServer.start();
    const ends = ROWS.map(async ({ step, kept }) => {
      const server = await FaultServer.start();
      server.temper = 'graceful';
      const environment = {
        ...redis.environment,
        REDIS_NAMESPACE: `${step}:`,
        REDIS_SHARED: 'true',
        TOKEN_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
      };
      const [dying, other] = [new Root(), new Root()];
      dying.write(FILE, server.file());
      await killedAt(step, dying, environment);
      const asked = server.asked.length;
      const { stderr } = await run(other.path, ['--once'], environment);
      const { stdout } = await run(other.path, ['token', 'fault-thing'], environment);
      const isNewest = stdout === `${server.newest.replace('refresh', 'access')}\n`;
      const row = { step, before: asked, after: server.asked.length - asked, kept, stderr, isNewest };
      return { ...row, reuses: server.reuses.length };
    });
    expect(await Promise.all(ends)).toEqual(
      ROWS.map((row) => ({ ...row, stderr: '', isNewest: true, reuses: row.step === 'answered' ? 1 : 0 })),
    );
  },
);
