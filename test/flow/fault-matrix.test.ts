import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { appFor, FakeClock, type Fixture, impatientEndpoint } from '../fixtures/app.js';
import {
  type Behaviour,
  bomb,
  deaf,
  drip,
  FaultServer,
  flood,
  hang,
  refusal,
  reset,
  rotation,
  rotationAs,
  rotationWith,
  said,
  truncated,
} from '../fixtures/fault-server.js';
import { run } from '../fixtures/program.js';
import { Root } from '../fixtures/root.js';

const FILE = '.oauth-tokens/fault-thing-egress.json';
const FIRST = { access: 'made-up-access-00001', refresh: 'made-up-refresh-00001' };
const SECOND = { access: 'made-up-access-00002', refresh: 'made-up-refresh-00002' };

interface Scene extends Fixture {
  readonly root: Root;
  readonly server: FaultServer;
  /** The same root, seen by a process that has just started. */
  restart(): Promise<Fixture>;
}

const isEndless = (behaviour: Behaviour): boolean => behaviour === hang || behaviour === drip;

async function scene(...behaviours: Behaviour[]): Promise<Scene> {
  const root = new Root();
  const server = await FaultServer.start();
  root.write(FILE, server.file());
  server.next.push(...behaviours);
  const on = { clock: new FakeClock(), ...(behaviours.some(isEndless) && { endpoint: impatientEndpoint() }) };
  const fixture = await appFor(root.path, on);
  return { ...fixture, root, server, restart: () => appFor(root.path, on) };
}

function onDisk(root: Root): { access: string; refresh: string } {
  const { access_token: access, refresh_token: refresh } = root.json(FILE);
  return { access, refresh };
}

function stateOf({ app }: Fixture): string | undefined {
  return app.look().surveyed[0]?.plan.state;
}

/** `nbf`, `exp` of 2100 and no more: what an answer without `expires_in` is judged by. */
const JWT = `e30.${Buffer.from(JSON.stringify({ exp: 4_102_444_800 })).toString('base64url')}.made-up-signature`;
const NOW = 1_800_000_000;

describe('an answer that is odd, but brings tokens, is a success', () => {
  const form = (fields: object): string => new URLSearchParams(Object.entries(fields)).toString();
  const rows: readonly [string, Behaviour, Record<string, unknown>][] = [
    ['in order', rotation, { expires_at: NOW + 3600 }],
    ['form-encoded', rotationAs(form, { type: 'application/x-www-form-urlencoded' }), { expires_at: NOW + 3600 }],
    ['201', rotationWith({}, { status: 201 }), { expires_at: NOW + 3600 }],
    ['text/plain', rotationWith({}, { type: 'text/plain' }), { expires_at: NOW + 3600 }],
    ['a BOM', rotationAs((issued) => `\uFEFF${JSON.stringify(issued)}`), { expires_at: NOW + 3600 }],
    ['expires_in "3600"', rotationWith({ expires_in: '3600' }), { expires_at: NOW + 3600 }],
    ['expires_in "abc"', rotationWith({ expires_in: 'abc' }), { expires_at: null }],
    ['expires_in null', rotationWith({ expires_in: null }), { expires_at: null }],
    ['expires_in missing', rotationWith({ expires_in: undefined }), { expires_at: null }],
    [
      'expires_in missing, a JWT',
      rotationWith({ expires_in: undefined, access_token: JWT }),
      { access_token: JWT, expires_at: 4_102_444_800 },
    ],
    ['expires_in 0', rotationWith({ expires_in: 0 }), { expires_at: null }],
    ['expires_in -5', rotationWith({ expires_in: -5 }), { expires_at: null }],
    ['scope an array', rotationWith({ scope: ['read', 'write'] }), {}],
    ['token_type mac', rotationWith({ token_type: 'mac' }), { token_type: 'mac' }],
    ['a malformed id_token', rotationWith({ id_token: 'not.a' }), {}],
    ['id_token a number', rotationWith({ id_token: 7 }), {}],
    [
      'nested, as Slack does',
      rotationAs((issued) => JSON.stringify({ ok: true, authed_user: issued })),
      { expires_at: NOW + 3600 },
    ],
    ['not a header', rotationWith({ access_token: 'snow☃man' }), { access_token: 'snow☃man' }],
  ];
  test.each(rows)('%s', async (_name, behaviour, fields) => {
    const { root, server, log, cycle } = await scene(behaviour);
    await cycle();
    expect(root.json(FILE)).toMatchObject({ access_token: SECOND.access, refresh_token: SECOND.refresh, ...fields });
    expect(root.mode(FILE)).toBe(0o600);
    expect(server.asked).toHaveLength(1);
    expect(log.text).toContain('successfully refreshed');
    await cycle(5);
    expect(server.asked).toHaveLength(1);
  });

  test.each([
    ['missing', undefined],
    ['null', null],
    ['empty', ''],
    ['a number', 12],
  ])('refresh_token %s: the old one is kept', async (_name, refresh_token) => {
    const { root, cycle } = await scene(rotationWith({ refresh_token }));
    await cycle();
    expect(onDisk(root)).toEqual({ access: SECOND.access, refresh: FIRST.refresh });
  });

  test.each([
    ['token_type mac', { token_type: 'mac' }],
    ['outside visible ASCII', { access_token: 'snow☃man' }],
    ['with ${', { access_token: 'a${HOME}b' }],
  ])('%s: the config keeps the token before', async (_name, fields) => {
    const { root, server, cycle, clock, app } = await scene();
    root.write('registry/servers/thing.json', {
      server_name: 'thing',
      path: '/thing',
      mcp_endpoint: 'https://thing.example.com/mcp',
      auth_type: 'oauth',
      token: 'fault-thing',
    });
    await cycle();
    expect(root.text('.oauth-tokens/mcp.json')).toContain(SECOND.access);
    server.next.push(rotationWith(fields));
    clock.pass(3000);
    await cycle();
    expect(server.asked).toHaveLength(2);
    expect(onDisk(root).refresh).toBe('made-up-refresh-00003');
    expect(root.text('.oauth-tokens/mcp.json')).toContain(SECOND.access);
    expect(
      app
        .look()
        .world.problems.map(({ message }) => message)
        .join(),
    ).toMatch(/is not given to clients/);
  });
});

describe('a damaged answer: what is whole is kept, and the rest asked for with what was kept', () => {
  const rows: readonly [string, Behaviour][] = [
    ['broken JSON', rotationAs((issued) => `${JSON.stringify(issued).slice(0, -1)},,}`)],
    ['cut off behind the refresh token', truncated((body) => body.indexOf('"token_type"'))],
    ['50 MB', flood(50)],
    ['a gzip bomb', bomb],
  ];
  test.each(rows)('%s', async (_name, behaviour) => {
    const { root, server, log, cycle } = await scene(behaviour);
    await cycle();
    expect(onDisk(root)).toEqual(SECOND);
    expect(server.asked).toHaveLength(1);
    expect(log.of('WARNING').join()).toMatch(/trying again in 2 seconds/);
    await cycle(2);
    expect(server.asked.map(({ spent }) => spent)).toEqual([FIRST.refresh, SECOND.refresh]);
    expect(server.reuses).toEqual([]);
    expect(onDisk(root).refresh).toBe('made-up-refresh-00003');
    expect(root.json(FILE)).not.toHaveProperty('salvaged_at');
  });
});

describe('a lost answer is asked for again soon', () => {
  const committed: readonly [string, Behaviour][] = [
    ['reset after the rotation', reset(true)],
    ['hang', hang],
    ['drip', drip],
    ['cut off before the refresh token ends', truncated((body) => body.indexOf('refresh-0') + 3)],
    ['nothing but the headers', truncated(() => 0)],
    ['200 without a token', rotationAs(() => '{}')],
    ['200 and HTML', rotationAs(() => '<html>Sign in to the WLAN</html>', { type: 'text/html' })],
    ['200 and nothing', rotationAs(() => '')],
    ['Slack: internal_error', rotationAs(() => '{"ok":false,"error":"internal_error"}')],
  ];
  test.each(committed)('%s, a strict server: two requests, then parked', async (_name, behaviour) => {
    const { root, server, log, cycle, restart } = await scene(behaviour);
    await cycle();
    expect(server.asked).toHaveLength(1);
    await cycle(1.9);
    expect(server.asked).toHaveLength(1);
    const again = await restart();
    await again.cycle(0.1);
    expect(server.asked.map(({ spent }) => spent)).toEqual([FIRST.refresh, FIRST.refresh]);
    for (let hour = 0; hour < 48; hour += 1) await again.cycle(3600);
    await (await restart()).cycle();
    expect(server.asked).toHaveLength(2);
    expect(onDisk(root).refresh).toBe(FIRST.refresh);
    expect(stateOf(again)).toBe('needs_login');
    expect(log.of('WARNING').join()).toMatch(/trying again in 2 seconds/);
    expect(again.log.of('WARNING').join()).toMatch(/login/);
  });

  test.each(committed)('%s, a server with grace: the successor is had', async (_name, behaviour) => {
    const { root, server, cycle } = await scene(behaviour);
    server.temper = 'graceful';
    await cycle();
    await cycle(2);
    expect(onDisk(root).refresh).toBe(server.newest);
    expect(server.asked).toHaveLength(2);
  });

  test.each([
    ['reset before it was read', deaf],
    ['reset before anything was done', reset(false)],
  ])('%s: nothing is lost', async (_name, behaviour) => {
    const { root, server, cycle } = await scene(behaviour);
    await cycle();
    // A connection that breaks before anything is written on it is retried as one that is refused.
    await cycle(2.5);
    expect(onDisk(root)).toEqual(SECOND);
    expect(server.reuses).toEqual([]);
  });

  test('reset each time: after 2 s, 15 s, and then with growing pauses', async () => {
    const { server, cycle } = await scene(...Array.from({ length: 50 }, () => reset(false)));
    const asked: number[] = [];
    for (let second = 0; second < 600; second += 1) {
      const before = server.asked.length;
      await cycle(second === 0 ? 0 : 1);
      if (server.asked.length > before) asked.push(second);
    }
    expect(asked.slice(0, 3)).toEqual([0, 2, 17]);
    expect(asked.length).toBeLessThan(14);
  });

  test('--once waits for the retry after 2 s', async () => {
    const root = new Root();
    const server = await FaultServer.start();
    server.next.push(reset(false));
    root.write(FILE, server.file());
    const { code, stderr } = await run(root.path, ['--once']);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(onDisk(root)).toEqual(SECOND);
    expect(server.asked).toHaveLength(2);
    expect(root.text('token_refresher.log')).toMatch(/trying again in 2 seconds/);
  });
});

describe('a refusal leaves the file as it is, and its code says what follows', () => {
  const DAY = 86_400;
  const atlassian = { error_description: 'Unknown or invalid refresh token.' };
  const rows: readonly [string, Behaviour, string, (number | null)[]][] = [
    // The seconds after which the next requests come; null: never again.
    ['invalid_grant', refusal('invalid_grant'), 'needs_login', [300, null]],
    ['Atlassian: 403 invalid_grant', refusal('invalid_grant', { status: 403 }, atlassian), 'needs_login', [300, null]],
    ['GitHub: 200 bad_refresh_token', refusal('bad_refresh_token', { status: 200 }), 'needs_login', [300, null]],
    [
      'Slack: 200 invalid_refresh_token',
      refusal('invalid_refresh_token', { status: 200 }, { ok: false }),
      'needs_login',
      [300, null],
    ],
    [
      'Entra ID: AADSTS50196',
      refusal('invalid_grant', {}, { error_description: 'AADSTS50196: loop detected' }),
      'needs_login',
      [300, null],
    ],
    ['invalid_client', refusal('invalid_client', { status: 401 }), 'needs_configuration', [null]],
    ['unauthorized_client', refusal('unauthorized_client'), 'needs_configuration', [null]],
    ['invalid_scope', refusal('invalid_scope'), 'needs_configuration', [null]],
    [
      'redirect to another host',
      said('', { status: 307, headers: { location: 'https://elsewhere.example.com/token' } }),
      'needs_configuration',
      [null],
    ],
    ['500', said('Internal Server Error', { status: 500, type: 'text/plain' }), 'expired', [2.5, 5, 10]],
    ['503', said('{}', { status: 503 }), 'expired', [2.5, 5, 10]],
    ['408', said('', { status: 408 }), 'expired', [2.5, 5, 10]],
    ['425', said('', { status: 425 }), 'expired', [2.5, 5, 10]],
    ['429', said('', { status: 429 }), 'expired', [2.5, 5, 10]],
    [
      '429, Retry-After in seconds',
      said('', { status: 429, headers: { 'retry-after': '120' } }),
      'expired',
      [120, 120],
    ],
    ['503, Retry-After for a week', said('', { status: 503, headers: { 'retry-after': '604800' } }), 'expired', [DAY]],
    ['Auth0: 500 access_denied', refusal('access_denied', { status: 500 }), 'expired', [2.5, 5]],
    ['502 and HTML', said('<html>Bad Gateway</html>', { status: 502, type: 'text/html' }), 'expired', [2.5, 5]],
    ['400 and garbage', said('\u0000\u0001garbage', { status: 400 }), 'expired', [2.5, 5]],
    ['temporarily_unavailable', refusal('temporarily_unavailable'), 'expired', [2.5, 5]],
  ];
  test.each(rows)('%s', async (_name, behaviour, state, pauses) => {
    const { root, server, log, cycle, restart } = await scene(...Array.from({ length: 10 }, () => behaviour));
    await cycle();
    const text = root.text(FILE);
    expect(stateOf(await restart())).toBe(state);
    let requests = 1;
    expect(server.asked).toHaveLength(requests);
    for (const pause of pauses) {
      // Each time in a process of its own: what was learnt outlives the one that learnt it.
      const early = await restart();
      await early.cycle(pause === null ? 3 * DAY : pause - 0.5);
      expect(server.asked).toHaveLength(requests);
      if (pause === null) break;
      await (await restart()).cycle(0.5);
      requests += 1;
      expect(server.asked).toHaveLength(requests);
    }
    expect(root.text(FILE)).toBe(text);
    expect(onDisk(root)).toEqual(FIRST);
    expect([...log.of('WARNING'), ...log.of('ERROR')].join('\n')).toMatch(/refresh failed/);
  });

  test('connection refused: nothing was sent, and it is tried again', async () => {
    const { root, server, log, cycle } = await scene();
    const { port } = server;
    server.stop();
    await cycle();
    expect(log.of('WARNING').join()).toContain(`127.0.0.1:${port} refuses connections`);
    expect(onDisk(root)).toEqual(FIRST);
  });

  test('a redirect is never followed', async () => {
    let visitors = 0;
    const other = createServer((_request, response) => {
      visitors += 1;
      response.end('{"access_token":"stolen"}');
    }).listen(0, '127.0.0.1');
    await once(other, 'listening');
    onTestFinished(() => void other.close());
    const location = `http://127.0.0.1:${(other.address() as AddressInfo).port}/token`;
    for (const status of [301, 302, 303, 307, 308]) {
      const { root, cycle } = await scene(said('', { status, headers: { location } }));
      await cycle();
      expect(onDisk(root)).toEqual(FIRST);
    }
    expect(visitors).toBe(0);
  });

  test('a dead token is asked for once more when its file changes, and when a person forces it', async () => {
    const { root, server, cycle } = await scene();
    server.revoked = true;
    await cycle();
    await cycle(300);
    await cycle(DAY);
    expect(server.asked).toHaveLength(2);
    await cycle(0, true);
    expect(server.asked).toHaveLength(3);
    await cycle(DAY);
    expect(server.asked).toHaveLength(3);
    root.write(FILE, server.file({ refresh_token: 'made-up-refresh-of-a-new-login' }));
    await cycle();
    expect(server.asked.at(-1)?.spent).toBe('made-up-refresh-of-a-new-login');
  });

  test('invalid_grant because somebody else was faster: theirs is adopted', async () => {
    const { root, server, log, cycle } = await scene();
    server.next.push({
      rotates: false,
      answer(response) {
        root.write(
          FILE,
          server.file({ access_token: 'theirs', refresh_token: 'their-refresh', expires_at: NOW + 3600 }),
        );
        response.writeHead(400).end('{"error":"invalid_grant"}');
      },
    });
    await cycle();
    expect(onDisk(root)).toEqual({ access: 'theirs', refresh: 'their-refresh' });
    await cycle(400);
    expect(server.asked).toHaveLength(1);
    expect(log.text).not.toMatch(/login/);
  });

  test('another program that writes meanwhile wins', async () => {
    const { root, server, log, cycle } = await scene();
    server.witness = () => root.write(FILE, server.file({ refresh_token: 'of-a-new-login', expires_at: NOW + 9000 }));
    await cycle();
    expect(onDisk(root).refresh).toBe('of-a-new-login');
    expect(log.of('WARNING').join()).toMatch(/changed by another program/);
  });
});

describe('other programs write the file while a refresh is under way', () => {
  test('the same tokens with more beside them: both are kept', async () => {
    const { root, server, cycle } = await scene();
    server.witness = () => root.write(FILE, server.file({ note: 'of another program' }));
    await cycle();
    expect(root.json(FILE)).toMatchObject({ refresh_token: SECOND.refresh, note: 'of another program' });
  });

  test('in two steps, the first of which is no JSON: put in the second', async () => {
    const { root, server, log, cycle } = await scene();
    const whole = JSON.stringify(server.file({ note: 'of another program' }));
    server.witness = () => root.write(FILE, whole.slice(0, 40));
    await cycle();
    expect(root.text(FILE)).toBe(whole.slice(0, 40));
    expect(log.text).not.toMatch(/successfully refreshed/);
    root.write(FILE, whole);
    await cycle(10);
    expect(root.json(FILE)).toMatchObject({ refresh_token: SECOND.refresh, note: 'of another program' });
    expect(server.asked).toHaveLength(1);
  });

  test('removes it: it stays removed, and nothing breaks', async () => {
    const { root, server, cycle } = await scene();
    server.witness = () => root.remove(FILE);
    await cycle();
    await cycle(60);
    expect(root.has(FILE)).toBe(false);
    expect(server.asked).toHaveLength(1);
  });
});

test('a copy of a token file beside it: its refresh token is not spent twice', async () => {
  const { root, server, cycle } = await scene();
  root.write('.mcp_tokens_copy.json', root.text(FILE));
  await cycle();
  await cycle(60);
  expect(server.asked.map(({ spent }) => spent)).toEqual([FIRST.refresh]);
  expect(onDisk(root)).toEqual(SECOND);
  expect(root.json('.mcp_tokens_copy.json').refresh_token).toBe(FIRST.refresh);
});

describe('an endpoint that is not what it says', () => {
  test('https that is none: nothing was sent, the token is as good as before', async () => {
    const { root, server, log, cycle } = await scene();
    root.write(FILE, server.file({ token_endpoint: server.url.replace('http:', 'https:') }));
    await cycle();
    expect(log.of('WARNING').join()).toMatch(/unreachable/);
    expect(server.asked).toEqual([]);
  });

  test('a name that is nobody: the same', async () => {
    const { root, server, log, cycle } = await scene();
    root.write(FILE, server.file({ token_endpoint: 'https://nobody.invalid/token' }));
    await cycle();
    expect(log.of('WARNING').join()).toMatch(/cannot be resolved/);
  });
});

describe('the real program', () => {
  test.each([
    ['invalid_grant', refusal('invalid_grant'), 1, /login/],
    ['invalid_client', refusal('invalid_client'), 1, /invalid_client/],
    ['503 with Retry-After', said('', { status: 503, headers: { 'retry-after': '300' } }), 1, /503/],
  ])('%s: a second --once asks nobody', async (_name, behaviour, requests, told) => {
    const root = new Root();
    const server = await FaultServer.start();
    root.write(FILE, server.file());
    server.next.push(behaviour, behaviour);
    const first = await run(root.path, ['--once']);
    const second = await run(root.path, ['--once']);
    expect([first.code, second.code]).toEqual([1, 1]);
    expect(server.asked).toHaveLength(requests);
    expect(root.text('token_refresher.log')).toMatch(told);
    expect(second.stderr).toContain(FILE);
    expect(onDisk(root)).toEqual(FIRST);
  });

  test('no secret is in the log, on stderr, or in the state it keeps', async () => {
    const root = new Root();
    const server = await FaultServer.start();
    root.write(FILE, server.file());
    const echo = 'no such token: made-up-refresh-00001, client made-up-client-secret, made-up-access-00001';
    server.next.push(refusal('invalid_grant', {}, { error_description: echo }));
    const { stderr, stdout } = await run(root.path, ['--once', '--log-level', 'DEBUG']);
    const status = await run(root.path, ['status', '--json']);
    const journal = root.text('.token-refresher/attempts/fault-thing-egress.json');
    const seen = [stderr, stdout, status.stdout, root.text('token_refresher.log'), journal].join('\n');
    expect(seen).toContain('no such token');
    expect(seen).not.toMatch(/made-up/);
  });
});
