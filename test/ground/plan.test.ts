import { describe, expect, test } from 'vitest';
import { type History, NO_HISTORY, type Verdict } from '../../src/ground/history.js';
import { type Facts, planFor } from '../../src/ground/plan.js';
import { readToken } from '../../src/ground/token.js';

const NOW = 1_800_000_000;

function planned({
  fields = {},
  history = {},
  ...facts
}: { fields?: object; history?: Partial<History> } & Partial<Omit<Facts, 'history'>>): ReturnType<typeof planFor> {
  const document = { access_token: 'access', refresh_token: 'refresh', ...fields };
  return planFor(readToken({ name: 'a', file: 'a.json', at: [] }, document, null), {
    now: NOW,
    timing: { buffer: 3600, floor: 30 },
    history: { token: 'a', file: 'a.json', at: [], ...NO_HISTORY, ...history },
    subject: 'subject',
    spends: 'spends',
    spent: null,
    obstacle: null,
    skew: 0,
    hostHeldUntil: 0,
    asker: 'schedule',
    ...facts,
  });
}

function verdict(more: Partial<Verdict>): Partial<History> {
  const whole = { kind: 'transient', code: 'x', detail: 'why', count: 1, retryAt: NOW + 60, lost: 0 } as const;
  return { subject: 'subject', verdict: { ...whole, ...more } };
}

/** A one-hour token of which so many seconds are left. */
const hourly = (left: number): object => ({ expires_at: NOW + left, expires_in: 3600 });

const NOT_NOW = { refresh: false };
const HOUR_LIFE = { lifetime: 3600 };

describe('when a token is due', () => {
  test.each<[string, Parameters<typeof planned>[0], object]>([
    ['long before its end', { fields: { expires_at: NOW + 90_000 } }, { ...NOT_NOW, state: 'valid' }],
    ['the buffer before its end', { fields: { expires_at: NOW + 3500 } }, { refresh: true, state: 'due' }],
    ['expired', { fields: { expires_at: NOW - 1 } }, { refresh: true, state: 'expired' }],
    ['of one hour, half of it left', { fields: hourly(1800) }, { ...NOT_NOW, state: 'valid' }],
    ['of one hour, a third of it left', { fields: hourly(1170) }, { refresh: true }],
    ['of one hour by the last answer', { fields: { expires_at: NOW + 1800 }, history: HOUR_LIFE }, NOT_NOW],
    ['nothing tells its end', { fields: {} }, { ...NOT_NOW, state: 'unknown', at: null }],
    ['no access token', { fields: { access_token: null } }, { refresh: true }],
    [
      'refreshed 10 s ago',
      { fields: { expires_at: NOW }, history: { succeededAt: NOW - 10 } },
      { ...NOT_NOW, at: NOW + 20 },
    ],
    ['refreshed 30 s ago', { fields: { expires_at: NOW }, history: { succeededAt: NOW - 30 } }, { refresh: true }],
    ['refreshed in the future', { fields: hourly(3000), history: { succeededAt: NOW + 9000 } }, { refresh: true }],
    ['forced', { fields: { expires_at: NOW + 90_000 }, asker: 'person' }, { refresh: true }],
    [
      'forced, below the floor',
      { fields: hourly(3000), history: { succeededAt: NOW - 1 }, asker: 'person' },
      { refresh: true },
    ],
    [
      'rejected by its server, below the floor',
      { fields: hourly(3000), history: { succeededAt: NOW - 1 }, asker: 'rejection' },
      { refresh: true },
    ],
    [
      'parked, rejected by its server',
      { fields: hourly(-5), history: verdict({ kind: 'dead', retryAt: null }), asker: 'rejection' },
      { refresh: false, state: 'needs_login' },
    ],
    ['forced, without a recipe', { asker: 'person', obstacle: 'no client_id' }, { ...NOT_NOW, reason: 'no client_id' }],
    [
      'an answer lost to a crash',
      { fields: hourly(3000), history: { pending: { spent: 'spends', at: NOW - 9 } } },
      { refresh: true },
    ],
    [
      'a crash over another token',
      { fields: hourly(3000), history: { pending: { spent: 'other', at: NOW - 9 } } },
      NOT_NOW,
    ],
    ['backing off', { fields: hourly(-5), history: verdict({}) }, { ...NOT_NOW, at: NOW + 60, state: 'expired' }],
    ['backed off', { fields: hourly(-5), history: verdict({ retryAt: NOW }) }, { refresh: true }],
    ['backing off over another file', { fields: hourly(-5), history: verdict({}), subject: 'new' }, { refresh: true }],
    [
      'parked',
      { fields: hourly(-5), history: verdict({ kind: 'dead', retryAt: null }) },
      { ...NOT_NOW, at: null, state: 'needs_login' },
    ],
    [
      'misconfigured',
      { fields: hourly(-5), history: verdict({ kind: 'configuration', retryAt: null }) },
      { ...NOT_NOW, state: 'needs_configuration' },
    ],
    [
      'parked, forced',
      { fields: hourly(-5), history: verdict({ kind: 'dead', retryAt: null }), asker: 'person' },
      { refresh: true },
    ],
    ['its host is held', { fields: hourly(-5), hostHeldUntil: NOW + 99 }, { ...NOT_NOW, at: NOW + 99 }],
    [
      'its host is held for longer than its own pause',
      { fields: hourly(-5), history: verdict({}), hostHeldUntil: NOW + 99 },
      { ...NOT_NOW, at: NOW + 99 },
    ],
    ['the clock behind by two hours', { fields: hourly(3600), skew: -7200 }, { refresh: true, state: 'expired' }],
    ['the clock ahead by two hours', { fields: hourly(3600), skew: 7200 }, NOT_NOW],
  ])('%s', (_name, facts, plan) => {
    expect(planned(facts)).toMatchObject(plan);
  });

  test('the moment is the same at every look, and differs a little from token to token', () => {
    const at = (expires_at: number): number => (planned({ fields: { expires_at } }).at ?? 0) - expires_at;
    expect(at(NOW + 90_000)).toBe(at(NOW + 90_000));
    const moments = Array.from({ length: 50 }, (_, n) => at(NOW + 90_000 + n));
    expect(new Set(moments.map(Math.round)).size).toBeGreaterThan(5);
    expect(Math.min(...moments)).toBeGreaterThanOrEqual(-3600);
    expect(Math.max(...moments)).toBeLessThanOrEqual(-3570);
  });
});
