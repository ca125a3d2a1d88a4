import { describe, expect, it } from 'vitest';
import { createCredentials } from '../../src/daemon/credentials.js';
import { createRestraint } from '../../src/daemon/restraint.js';
import { answered, appFor, FakeClock, ListEndpoint, UNREACHABLE } from '../fixtures/app.js';
import { define } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';

const FILE = '.oauth-tokens/p-x-egress.json';
const DEAD = answered(400, { error: 'invalid_grant' });

/** What is slept only for as long as something else takes is not slept through. */
class PatientClock extends FakeClock {
  override async sleep(seconds: number, signal?: AbortSignal): Promise<void> {
    if (!signal) return super.sleep(seconds);
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
  }
}

/** A server whose token has so many seconds to live. */
async function scene(left: number, patience = 30) {
  const root = new Root();
  const clock = new PatientClock();
  const endpoint = new ListEndpoint(clock);
  define(root, 'x.json', { path: '/x', mcp_endpoint: 'https://x.test/mcp', auth_type: 'oauth', auth_provider: 'p' });
  root.write(FILE, {
    provider: 'p',
    access_token: 'first',
    refresh_token: 'refresh-1',
    expires_at: clock.now() + left,
    token_endpoint: 'https://as.test/token',
    client_id: 'c',
  });
  const { app } = await appFor(root.path, { clock, endpoint });
  const credentials = createCredentials(app, 'x', patience);
  const current = async (): Promise<string | undefined> => (await credentials.current()).headers.Authorization;
  return { root, clock, endpoint, app, credentials, current };
}

describe('the credentials of a server', () => {
  it('are refreshed first where the token has expired', async () => {
    const { current, endpoint } = await scene(-1);
    expect(await current()).toBe('Bearer access-2');
    expect(endpoint.asked).toHaveLength(1);
  });

  it('are used as they are while the token is merely due, and refreshed meanwhile', async () => {
    const { current, app } = await scene(60);
    expect(await current()).toBe('Bearer first');
    await app.refresher.settled();
    expect(await current()).toBe('Bearer access-2');
  });

  it('fresh ones are refreshed first when they are due', async () => {
    const { credentials } = await scene(60);
    expect((await credentials.fresh()).headers).toEqual({ Authorization: 'Bearer access-2' });
  });

  it('are refused where the file that they are in has been spoilt', async () => {
    const { current, app, root, endpoint } = await scene(-1, 5);
    app.look();
    root.write(FILE, '{"refresh_tok');
    await expect(current()).rejects.toThrow(/its file is gone, or cannot be used as it is now/);
    expect(endpoint.asked).toEqual([]);
  });

  it('follow the file', async () => {
    const { current, root } = await scene(86_400);
    expect(await current()).toBe('Bearer first');
    root.write(FILE, { ...root.json(FILE), access_token: 'another' });
    expect(await current()).toBe('Bearer another');
  });

  it('outlive their file for a moment only, as an editor may be writing it', async () => {
    const { current, root, clock } = await scene(86_400);
    await current();
    root.remove(FILE);
    expect(await current()).toBe('Bearer first');
    clock.pass(0.5);
    await expect(current()).rejects.toThrow(/there is no token of p; run: token-refresher login x/);
  });

  it('are waited for while the token endpoint is away, and not longer than a client waits', async () => {
    const { current, endpoint } = await scene(-1);
    endpoint.next.push(UNREACHABLE);
    expect(await current()).toBe('Bearer access-3');
    expect(endpoint.asked).toHaveLength(2);
    const later = await scene(-1);
    later.endpoint.next.push(...Array.from({ length: 50 }, () => UNREACHABLE));
    const began = later.clock.monotonic();
    await expect(later.current()).rejects.toThrow(/token p-x cannot be refreshed: the server refuses connections/);
    expect(later.clock.monotonic() - began).toBeLessThanOrEqual(30);
  });

  it('of a dead login are refused at once, with what to run, and asked for no more', async () => {
    const { current, endpoint, clock } = await scene(-1);
    endpoint.next.push(DEAD);
    const began = clock.monotonic();
    await expect(current()).rejects.toMatchObject({
      message: expect.stringMatching(/invalid_grant.*; run: token-refresher login x$/),
      command: 'token-refresher login x',
    });
    await expect(current()).rejects.toThrow(/run: token-refresher login x/);
    expect(endpoint.asked).toHaveLength(1);
    expect(clock.monotonic()).toBe(began);
  });
});

describe('after a rejection', () => {
  it('they are refreshed, below the floor, once for all who ask', async () => {
    const { credentials, endpoint } = await scene(86_400);
    const first = await credentials.current();
    const next = await Promise.all([1, 2, 3].map(() => credentials.afterRejection(first)));
    expect(next.map(({ headers }) => headers.Authorization)).toEqual(Array(3).fill('Bearer access-2'));
    expect(endpoint.asked).toHaveLength(1);
  });

  it('what somebody else has brought meanwhile is adopted', async () => {
    const { credentials, endpoint, root } = await scene(86_400);
    const first = await credentials.current();
    root.write(FILE, { ...root.json(FILE), access_token: 'another' });
    expect((await credentials.afterRejection(first)).headers).toEqual({ Authorization: 'Bearer another' });
    expect(endpoint.asked).toEqual([]);
  });

  it('and another one right after the refresh, nothing more is asked for', async () => {
    const { credentials, endpoint, clock } = await scene(86_400);
    const second = await credentials.afterRejection(await credentials.current());
    expect(credentials.rejection().message).toMatch(/rejects token p-x \(401\), although it has just been refreshed/);
    await expect(credentials.afterRejection(second)).rejects.toThrow(/run: token-refresher login x/);
    expect(endpoint.asked).toHaveLength(1);
    clock.pass(45);
    await expect(credentials.afterRejection(second)).rejects.toThrow(/run: token-refresher login x/);
    expect(endpoint.asked).toHaveLength(1);
    clock.pass(45);
    await credentials.afterRejection(second);
    expect(endpoint.asked).toHaveLength(2);
  });

  it('of a token that nothing can refresh, it says why', async () => {
    const { credentials, root } = await scene(86_400);
    root.write(FILE, { provider: 'p', access_token: 'only' });
    const only = await credentials.current();
    await expect(credentials.afterRejection(only)).rejects.toThrow(/\(401\), and it has no refresh token/);
  });
});

describe('restraint', () => {
  it('lets refreshes that do not help come further and further apart, and forgets that when one helps', () => {
    const clock = new FakeClock();
    const restraint = createRestraint(clock, 30);
    const pause = (): number => {
      let seconds = 0;
      for (; !restraint.allows; seconds += 1) clock.pass(1);
      return seconds;
    };
    expect(pause()).toBe(0);
    const pauses = Array.from({ length: 5 }, () => {
      restraint.renewed();
      restraint.inVain();
      restraint.inVain();
      return pause();
    });
    expect(pauses).toEqual([60, 120, 240, 300, 300]);
    restraint.renewed();
    restraint.renewed();
    expect(pause()).toBe(30);
  });
});
