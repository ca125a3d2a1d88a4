import { describe, expect, test } from 'vitest';
import type { Failure } from '../../src/ground/failure.js';
import { afterCrash, afterFailure, afterSuccess, type History, NO_HISTORY } from '../../src/ground/history.js';

const NOW = 1_800_000_000;
const FRESH: History = { token: 'a', file: '.oauth-tokens/a.json', at: [], ...NO_HISTORY };

function failure(kind: Failure['kind'], retryAfter?: number): Failure {
  return { kind, code: kind, detail: kind, ...(retryAfter === undefined ? {} : { retryAfter }) };
}

/** The pauses after failures in a row, with the middle of every jitter; null: no further request by itself. */
function pauses(
  kinds: readonly Failure['kind'][],
  { usesRefreshToken = true, random = 0.5, from = FRESH } = {},
): (number | null)[] {
  let history = from;
  return kinds.map((kind) => {
    history = afterFailure(history, failure(kind), { now: NOW, subject: 's', host: 'h', usesRefreshToken, random });
    const at = history.verdict?.retryAt ?? null;
    return at === null ? null : at - NOW;
  });
}

describe('how long a failure is waited for', () => {
  test.each<[string, Failure['kind'][], (number | null)[]]>([
    ['dead: confirmed once', ['dead', 'dead'], [300, null]],
    ['configuration: never', ['configuration'], [null]],
    ['transient: twice as long each time', ['transient', 'transient', 'transient', 'transient'], [2.5, 5, 10, 20]],
    ['lost: soon, sooner than later', ['lost', 'lost', 'lost', 'lost'], [2, 15, 2.5, 5]],
    ['lost, then dead: it had been spent', ['lost', 'dead'], [2, null]],
    ['lost, unreachable, dead: the same', ['lost', 'transient', 'dead'], [2, 5, null]],
    ['transient, then lost', ['transient', 'lost', 'lost'], [2.5, 2, 15]],
    ['transient, then dead: confirmed', ['transient', 'dead', 'dead'], [2.5, 300, null]],
    ['local: as transient', ['local', 'local'], [2.5, 5]],
    ['local: but never for longer than a minute', Array(8).fill('local'), [2.5, 5, 10, 20, 40, 60, 60, 60]],
  ])('%s', (_name, kinds, expected) => {
    expect(pauses(kinds)).toEqual(expected);
  });

  test('never more than 15 minutes, never less than a second', () => {
    const many = Array.from({ length: 2000 }, () => 'transient' as const);
    expect(Math.max(...pauses(many, { random: 0.9999 }).map(Number))).toBeLessThanOrEqual(900);
    expect(Math.min(...pauses(many, { random: 0 }).map(Number))).toBe(1);
  });

  test('a refused password or client is no dead refresh token', () => {
    expect(pauses(['dead'], { usesRefreshToken: false })).toEqual([null]);
  });

  test('after a crash the second refusal is the last word', () => {
    expect(pauses(['dead'], { from: afterCrash(FRESH, 's') })).toEqual([null]);
  });

  test('Retry-After is a least', () => {
    const at = { now: NOW, subject: 's', host: 'h', usesRefreshToken: true, random: 0.5 };
    const next = afterFailure(FRESH, failure('transient', 120), at);
    expect(next.verdict?.retryAt).toBe(NOW + 120);
    expect(next.hostHeld).toEqual({ host: 'h', until: NOW + 120 });
  });

  test('what failed over other tokens counts for nothing', () => {
    const from: History = {
      ...FRESH,
      subject: 'before',
      verdict: { kind: 'lost', code: '', detail: '', count: 9, retryAt: null, lost: 1 },
    };
    expect(pauses(['dead', 'dead'], { from })).toEqual([300, null]);
  });

  test('a failure of this machine does not forget that an answer was lost', () => {
    const pending = { spent: 'hash', at: NOW - 5 };
    const at = { now: NOW, subject: 's', host: 'h', usesRefreshToken: true, random: 0.5 };
    expect(afterFailure({ ...FRESH, pending }, failure('local'), at).pending).toEqual(pending);
    expect(afterFailure({ ...FRESH, pending }, failure('transient'), at).pending).toBeNull();
  });
});

test('the brake counts 20 in any 10 minutes, and forgets', () => {
  let history = FRESH;
  const refresh = (now: number, called: boolean): void => {
    history = afterSuccess(history, { now, called, subject: 's', lifetime: 1, refreshEndsAt: null });
  };
  for (let n = 0; n < 20; n += 1) refresh(NOW + n, false);
  expect(history.verdict).toBeNull();
  for (let n = 0; n < 40; n += 1) refresh(NOW + 100 + n, true);
  expect(history.verdict).toBeNull();
  refresh(NOW + 200, false);
  expect(history.verdict?.kind).toBe('braked');
  refresh(NOW + 900, false);
  expect(history.verdict).toBeNull();
  expect(history.generation).toBe(62);
});
