import { describe, expect, it } from 'vitest';
import { frame } from '../../src/cli/watch.js';
import type { Status, TokenStatus } from '../../src/daemon/status.js';
import { start, until } from '../fixtures/program.js';
import { define, egress, open } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';

const NOW = 1_800_000_000;
const token = (name: string, state: TokenStatus['state'], more: Partial<TokenStatus> = {}): TokenStatus => ({
  name,
  file: `${name}.json`,
  provider: 'p',
  state,
  expires_at: NOW + 1800,
  next_refresh_at: NOW + 600,
  reason: 'r',
  missing: [],
  ...more,
});
const status = (...tokens: TokenStatus[]): Status => ({
  instance: { running: true, pid: 4711, since: NOW - 60 },
  tokens,
  servers: [
    { key: 'a', file: 'a', included: true },
    { key: 'b', file: 'b', included: false },
  ],
  problems: [],
});
const WIDE = { columns: 120, rows: 30, color: false };

describe('a picture of the whole', () => {
  it('has what needs attention first, and then what ends first', () => {
    const lines = frame(
      status(
        token('fine', 'valid'),
        token('sooner', 'valid', { expires_at: NOW + 60 }),
        token('bad', 'failing', { last_attempt: { at: NOW - 5, outcome: 'transient', code: 'http_503' } }),
        token('dead', 'needs_login', {
          action: 'token-refresher login p',
          expires_at: NOW - 60,
          next_refresh_at: null,
        }),
      ),
      '/root',
      NOW,
      WIDE,
    );
    expect(lines[0]).toMatch(/^running, PID 4711 {3}\/root {3}\d\d:\d\d:\d\d$/);
    expect(lines.slice(3, 7).map((line) => line.split(/ {2,}/))).toEqual([
      ['dead', 'needs login', '░░░░░░░░░░', '60 s ago', '-', '-'],
      ['bad', 'failing', '█████░░░░░', 'in 30 min', 'in 10 min', 'transient (http_503)'],
      ['sooner', 'valid', '░░░░░░░░░░', 'in 60 s', 'in 10 min', '-'],
      ['fine', 'valid', '█████░░░░░', 'in 30 min', 'in 10 min', '-'],
    ]);
    expect(lines.at(-1)).toBe('1 of 2 servers, 0 problems; dead: token-refresher login p');
  });

  it('measures a life by the refresh that it began with', () => {
    const [row] = frame(
      status(token('a', 'valid', { last_attempt: { at: NOW - 200, outcome: 'success' } })),
      '/root',
      NOW,
      WIDE,
    ).slice(3);
    expect(row).toContain('█████████░');
  });

  it.each([
    [30, 5],
    [60, 8],
    [80, 24],
  ])('is no larger than a screen of %i by %i', (columns, rows) => {
    const many = Array.from({ length: 50 }, (_, n) => token(`a-token-with-a-rather-long-name-${n}`, 'valid'));
    const lines = frame(status(...many), '/a/rather/long/path/of/a/root/folder', NOW, { columns, rows, color: false });
    expect(lines.length).toBeLessThanOrEqual(Math.max(rows, 8));
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
    expect(lines.find((line) => line.startsWith('... and'))).toMatch(/^\.\.\. and \d+ more$/);
  });
});

it('status --watch is plain where there is no terminal, and says what has changed', async () => {
  const root = define(new Root(), 'a.json', open('a'));
  const { process, ended } = start(root.path, ['status', '--watch']);
  let seen = '';
  process.stdout?.on('data', (chunk) => {
    seen += chunk;
  });
  await until(() => seen.includes('1 server in the configs: a'), 'the first');
  const [path, content] = egress('p', 'x', 'made-up-access-token');
  root.write(path, content);
  await until(() => seen.includes('p-x'), 'the second');
  process.kill('SIGTERM');
  const { code, stdout } = await ended;
  expect(code).toBe(0);
  expect(stdout).not.toContain('\u001b');
  expect(stdout.match(/server in the configs/g)).toHaveLength(2);
});
