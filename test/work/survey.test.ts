import { expect, test } from 'vitest';
import { appFor } from '../fixtures/app.js';
import { Root } from '../fixtures/root.js';

test('thousands of tokens are surveyed with pauses for others, and as all at once', async () => {
  const user = (n: number): object => ({
    access_token: `a-${n}`,
    refresh_token: `r-${n}`,
    expires_at: 1_800_000_000 + n,
  });
  const users = Object.fromEntries(Array.from({ length: 2100 }, (_, n) => [`u${n}`, user(n)]));
  const root = new Root().write('.kroger_tokens.json', { user_tokens: users });
  const { app, clock } = await appFor(root.path);
  const { world, surveyed } = app.look();
  let pauses = 0;
  const others = async (): Promise<void> => {
    pauses += 1;
  };
  const inTurns = await app.loop.survey.inTurns(world, clock.now(), 'schedule', others);
  expect(inTurns).toHaveLength(2100);
  expect(inTurns).toEqual(surveyed);
  expect(pauses).toBe(8);
});
