import type { McpError } from '@modelcontextprotocol/sdk/types.js';
import { describe, expect, test } from 'vitest';
import { startApi } from '../fixtures/api.js';
import { type AuthorizationServer, startAuthorizationServer } from '../fixtures/authorization-server.js';
import { type Bridged, bridged, commandLineOf, INITIALIZE, type Spoken, speak } from '../fixtures/bridge-client.js';
import { byChance } from '../fixtures/chance.js';
import { FaultServer, hang, ownCredentials, refusal, rotation } from '../fixtures/fault-server.js';
import { Line } from '../fixtures/line.js';
import { now } from '../fixtures/moments.js';
import { NewestTokenServer } from '../fixtures/newest-token.js';
import { type Ended, run, type Started, start, until } from '../fixtures/program.js';
import { define, LATER, leaks } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';

/** In a session; when that is said, cases that take half a minute are looked at, too. */
const FULL = process.env.SESSION_ROTATIONS !== undefined;
const ROTATIONS = Number(process.env.SESSION_ROTATIONS ?? 3);

const FILE = '.oauth-tokens/p-x-egress.json';
const NO_FLOOR = { TOKEN_REFRESH_FLOOR: '0' };
/** So that whatever it would say is looked at. */
const TALKATIVE = { LOG_LEVEL: 'DEBUG' };

function serverAt(root: Root, url: string): void {
  define(root, 'x.json', { server_name: 'X', path: '/x', mcp_endpoint: url, auth_type: 'oauth', auth_provider: 'p' });
}

const logOf = (root: Root): string => (root.has('token_refresher.log') ? root.text('token_refresher.log') : '');

describe('a session while tokens are rotated', () => {
  /** Calls that a session goes on for after each rotation, and after what befell it. */
  const AFTERWARDS = 10;

  interface Surroundings {
    readonly mcp: NewestTokenServer;
    readonly toServer: Line;
    readonly toAuthorization: Line;
    readonly daemon: Started | null;
  }

  interface Variant {
    readonly name: string;
    readonly daemon: boolean;
    /** What happens half way, between two calls; resolves when things are as before. */
    readonly befalls: (all: Surroundings) => Promise<unknown>;
  }

  const cut = async (...lines: Line[]): Promise<void> => {
    for (const line of lines) line.cut();
    await byChance(3000);
    for (const line of lines) await line.mend();
  };

  const VARIANTS: readonly Variant[] = [
    { name: 'with the daemon', daemon: true, befalls: async () => undefined },
    { name: 'without it', daemon: false, befalls: async () => undefined },
    {
      name: 'the daemon is killed',
      daemon: true,
      befalls: async ({ daemon }) => daemon?.process.kill('SIGKILL') && daemon.ended,
    },
    { name: 'no way to the server', daemon: true, befalls: ({ toServer }) => cut(toServer) },
    { name: 'no network', daemon: false, befalls: ({ toServer, toAuthorization }) => cut(toServer, toAuthorization) },
    {
      name: 'no network, with the daemon',
      daemon: true,
      befalls: ({ toServer, toAuthorization }) => cut(toServer, toAuthorization),
    },
    {
      name: 'the server is started anew',
      daemon: false,
      async befalls({ mcp, toServer }) {
        // A line without an end would take in what nobody answers.
        toServer.cut();
        mcp.stop();
        await byChance(500);
        await mcp.listen();
        await toServer.mend();
      },
    },
  ];

  interface Outcome {
    readonly calls: number;
    readonly errors: readonly string[];
    /** The arguments of the calls that the server carried out. */
    readonly carriedOut: readonly string[];
    readonly rejected: number;
    readonly notRetried: readonly string[];
    readonly refreshes: number;
    readonly sessions: number;
    readonly noise: readonly Error[];
    readonly leaks: readonly string[];
  }

  async function session({ daemon: withDaemon, befalls }: Variant): Promise<Outcome> {
    const root = new Root();
    let rejectedBefore: number | null = null;
    const auth = await startAuthorizationServer({
      // A newer token is the only good one before anybody is told of it, until a call has come with the older one.
      async hesitation() {
        await until(
          () => rejectedBefore === null || mcp.rejected.length > rejectedBefore,
          'a call with an older token',
        );
      },
    });
    const mcp = await NewestTokenServer.start(() => auth.newest);
    const toServer = await Line.to(mcp.port);
    const toAuthorization = await Line.to(Number(new URL(auth.tokenEndpoint).port));
    serverAt(root, toServer.through(mcp.url));
    root.write(FILE, await login(auth, toAuthorization.through(auth.tokenEndpoint)));
    const environment = { ...NO_FLOOR, ...TALKATIVE };
    const daemon = withDaemon ? await startApi(root, [], environment) : null;
    const bridge = await bridged(root.path, 'x', environment);
    const commandLines = [bridge.pid, ...(daemon ? [daemon.pid] : [])].map(commandLineOf);

    const errors: string[] = [];
    let calls = 0;
    const call = async (): Promise<void> => {
      await bridge.call(String(calls)).catch((error: Error) => errors.push(`${calls}: ${error.message}`));
      calls += 1;
    };
    /** Calls while something is under way, at least one, and afterwards. */
    const callsDuring = async (something: Promise<unknown>): Promise<void> => {
      let isOver = false;
      const over = something.finally(() => {
        isOver = true;
      });
      do await call();
      while (!isOver);
      await over;
      for (let n = 0; n < AFTERWARDS; n += 1) await call();
    };
    /** By the daemon, where there is one, or by whoever else has the file. */
    const rotate = async (): Promise<void> => {
      rejectedBefore = mcp.rejected.length;
      if (daemon?.process.exitCode === null && daemon.process.signalCode === null) {
        const { status } = await daemon.get('/api/tokens/refresh/p-x', { method: 'POST' });
        expect(status).toBe(200);
      } else expect(await run(root.path, ['refresh', 'p-x', '--force'], environment)).toMatchObject({ code: 0 });
    };
    for (let n = 0; n < ROTATIONS; n += 1) {
      await callsDuring(rotate());
      // A request for a new token that is lost on its way kills the family: nothing befalls while one is under way.
      if (n === Math.floor((ROTATIONS - 1) / 2)) await callsDuring(befalls({ mcp, toServer, toAuthorization, daemon }));
    }
    const notRetried = mcp.rejected.filter(({ retried }) => !retried).map(({ what }) => what);
    await bridge.client.close();
    daemon?.process.kill('SIGTERM');
    const ended = await daemon?.ended;
    const seen = [bridge.said, logOf(root), ...commandLines, ended?.stdout, ended?.stderr].join('\n');
    return {
      calls,
      errors,
      carriedOut: mcp.calls,
      rejected: mcp.rejected.length,
      notRetried,
      refreshes: auth.asked,
      sessions: mcp.begun.length,
      noise: bridge.noise,
      leaks: leaks(seen, [...auth.issued, auth.clientSecret]),
    };
  }

  test(`no call fails or is carried out twice, ${ROTATIONS} times`, async () => {
    const outcomes = await Promise.all(
      VARIANTS.map(async (variant) => ({ variant: variant.name, ...(await session(variant)) })),
    );
    if (FULL) {
      console.table(outcomes.map((one) => ({ ...one, errors: one.errors.length, carriedOut: one.carriedOut.length })));
    }
    for (const { variant, calls, rejected, ...rest } of outcomes) {
      expect({ variant, ...rest }).toEqual({
        variant,
        errors: [],
        carriedOut: Array.from({ length: calls }, (_, call) => String(call)),
        notRetried: [],
        refreshes: 1 + ROTATIONS,
        sessions: variant === 'the server is started anew' ? 2 : 1,
        noise: [],
        leaks: [],
      });
      expect(calls, variant).toBeGreaterThan(ROTATIONS * AFTERWARDS);
      expect(rejected, variant).toBeGreaterThanOrEqual(ROTATIONS);
    }
  });

  test('tokens that live for some seconds are rotated as they fall due, one after the other', async () => {
    const root = new Root();
    const auth = await startAuthorizationServer({ accessTokenLifetime: 6 });
    const mcp = await NewestTokenServer.start(() => auth.newest);
    serverAt(root, mcp.url);
    root.write(FILE, await login(auth, auth.tokenEndpoint));
    const daemon = start(root.path, ['run'], NO_FLOOR);
    await until(() => auth.asked >= 3, 'three rotations');
    await until(() => root.json(FILE).access_token === auth.newest, 'the newest token');
    daemon.process.kill('SIGTERM');
    expect(await daemon.ended).toMatchObject({ code: 0, stderr: '' });
    expect(auth.refused).toEqual([]);
    expect(await auth.isActive(root.json(FILE).refresh_token)).toBe(true);
  });

  async function login(auth: AuthorizationServer, endpoint: string): Promise<object> {
    return {
      provider: 'p',
      access_token: 'made-up-expired-token',
      refresh_token: await auth.login('client_secret_post'),
      expires_at: 1_700_000_000,
      ...ownCredentials(endpoint),
      client_id: auth.clientId('client_secret_post'),
      client_secret: auth.clientSecret,
    };
  }
});

interface Scene {
  readonly root: Root;
  readonly auth: FaultServer;
  readonly mcp: NewestTokenServer;
  /** Puts a token of the family's into the file. */
  put(more?: object): void;
  bridge(environment?: Record<string, string>): Promise<Bridged>;
  speak(): Spoken;
  /** The secrets to be found in what these and the log say. */
  leaks(...said: (Bridged | Ended | string)[]): string[];
}

/** The newest access token is the one that came with the newest refresh token. */
const accessOf = (auth: FaultServer): string => auth.newest.replace('refresh', 'access');

async function scene({ json = false } = {}): Promise<Scene> {
  const root = new Root();
  const auth = await FaultServer.start();
  const mcp = await NewestTokenServer.start(() => accessOf(auth), json);
  serverAt(root, mcp.url);
  const put = (more: object = {}): void => {
    const tokens = { access_token: accessOf(auth), refresh_token: auth.newest };
    root.write(FILE, auth.file({ provider: 'p', ...tokens, ...more }));
  };
  put();
  return {
    root,
    auth,
    mcp,
    put,
    bridge: (environment = {}) => bridged(root.path, 'x', { ...TALKATIVE, ...environment }),
    speak: () => speak(root.path, 'x', TALKATIVE),
    leaks(...said) {
      const all = said.map((one) => {
        if (typeof one === 'string') return one;
        return 'said' in one ? one.said + commandLineOf(one.pid) : one.stdout + one.stderr;
      });
      return [...all, logOf(root)].join('\n').match(/made-up-[\w-]+/g) ?? [];
    },
  };
}

/** The error of a call that fails. */
async function failure(call: () => Promise<unknown>): Promise<McpError> {
  try {
    await call();
  } catch (error) {
    return error as McpError;
  }
  throw new Error('the call did not fail');
}

describe('one refresh', () => {
  test('a token that has expired is refreshed before the request is sent', async () => {
    const { auth, mcp, bridge, leaks } = await scene();
    const client = await bridge();
    expect(await client.call('a')).toBe('noted a');
    expect(mcp.rejected).toEqual([]);
    expect(auth.asked).toHaveLength(1);
    expect(leaks(client)).toEqual([]);
  });

  test.each([
    ['ten bridges', []],
    ['ten bridges and the daemon', ['run']],
  ])('%s, started at once, refresh an expired token once, and a rejected one once more', async (_, others) => {
    const { root, auth, mcp, bridge, leaks } = await scene();
    auth.delay = 300;
    for (const other of others) start(root.path, [other]);
    const names = Array.from({ length: 10 }, (_, n) => `call ${n}`);
    const clients = await Promise.all(
      names.map(async (name) => {
        const client = await bridge();
        expect(await client.call(name)).toBe(`noted ${name}`);
        return client;
      }),
    );
    expect([...mcp.calls].sort()).toEqual(names);
    expect(auth.asked).toHaveLength(1);
    mcp.newest = () => (auth.asked.length === 1 ? null : accessOf(auth));
    await Promise.all(clients.map((client) => client.call('rejected')));
    expect(mcp.calls).toHaveLength(20);
    expect(auth.asked).toHaveLength(2);
    expect(mcp.rejected.filter(({ retried }) => !retried)).toEqual([]);
    expect(leaks(...clients)).toEqual([]);
  });

  test('many calls that are rejected at once are answered by one refresh', async () => {
    const { auth, mcp, put, bridge, leaks } = await scene();
    put({ expires_at: LATER });
    const client = await bridge();
    auth.delay = 100;
    mcp.newest = () => (auth.asked.length === 0 ? null : accessOf(auth));
    const names = Array.from({ length: 20 }, (_, n) => String(n));
    expect(await Promise.all(names.map((name) => client.call(name)))).toEqual(names.map((name) => `noted ${name}`));
    expect([...mcp.calls].sort()).toEqual([...names].sort());
    expect(mcp.rejected.length).toBeGreaterThan(0);
    expect(mcp.rejected.filter(({ retried }) => !retried)).toEqual([]);
    expect(auth.asked).toHaveLength(1);
    expect(leaks(client)).toEqual([]);
  });
});

describe('a token that others change', () => {
  test('is used by the next call, in the same session', async () => {
    const { auth, mcp, put, bridge, leaks } = await scene();
    put({ expires_at: LATER });
    const client = await bridge();
    await client.call('before');
    mcp.newest = () => 'made-up-by-another-login';
    put({ access_token: 'made-up-by-another-login', expires_at: LATER });
    expect(await client.call('after')).toBe('noted after');
    expect(mcp.begun).toHaveLength(1);
    expect(mcp.rejected).toEqual([]);
    expect(auth.asked).toEqual([]);
    expect(leaks(client)).toEqual([]);
  });

  test('while a call is on its way: once more within the floor of a rejection', async () => {
    const { root, auth, mcp, put, bridge, leaks } = await scene();
    put({ expires_at: LATER });
    const client = await bridge();
    mcp.newest = () => (auth.asked.length === 0 ? null : accessOf(auth));
    expect(await client.call('rejected')).toBe('noted rejected');
    const release = auth.hold();
    const other = run(root.path, ['refresh', 'p-x', '--force']);
    await until(() => auth.asked.length === 2, 'the second refresh');
    const again = client.call('rejected again');
    await until(() => mcp.rejected.length === 2, 'the second rejection');
    release();
    expect(await again).toBe('noted rejected again');
    expect((await other).code).toBe(0);
    expect(mcp.rejected).toHaveLength(2);
    expect(auth.asked).toHaveLength(2);
    expect(leaks(client)).toEqual([]);
  });

  test('a daemon that is killed over its refresh: the bridge that waited for it asks again', async () => {
    const { root, auth, mcp, bridge, leaks } = await scene();
    auth.temper = 'graceful';
    const release = auth.hold();
    const daemon = start(root.path, ['run'], TALKATIVE);
    await until(() => auth.asked.length === 1, 'the token request of the daemon');
    const client = bridge();
    await byChance(1500);
    daemon.process.kill('SIGKILL');
    await daemon.ended;
    release();
    expect(await (await client).call('after')).toBe('noted after');
    expect(auth.asked).toHaveLength(2);
    expect(mcp.rejected).toEqual([]);
    expect(leaks(await client, await daemon.ended)).toEqual([]);
  });
});

describe('a dead login', () => {
  const COMMAND = 'token-refresher login x';

  test('is told at once, asked for once, and mended by a new token', async () => {
    const { auth, mcp, put, bridge, leaks } = await scene();
    put({ expires_at: LATER });
    const client = await bridge();
    await client.call('before');
    auth.next.push(refusal('invalid_grant'));
    put();
    const dead = await failure(() => client.call('lost'));
    expect(auth.asked).toHaveLength(1);
    expect(dead.message).toContain(COMMAND);
    expect(dead.data).toEqual({ command: COMMAND });
    for (let n = 0; n < 20; n += 1) expect((await failure(() => client.call('lost'))).message).toContain(COMMAND);
    expect(auth.asked).toHaveLength(1);
    expect(mcp.calls).toEqual(['before']);

    put({ expires_at: LATER });
    expect(await client.call('after')).toBe('noted after');
    expect(mcp.begun).toHaveLength(1);
    expect(leaks(client)).toEqual([]);
  });

  test('of a token that the server rejects before its time', async () => {
    const { auth, mcp, put, bridge, leaks } = await scene();
    put({ expires_at: LATER });
    const client = await bridge();
    mcp.newest = () => 'made-up-by-another-login';
    auth.next.push(refusal('invalid_grant'));
    const dead = await failure(() => client.call('lost'));
    expect(auth.asked).toHaveLength(1);
    expect(dead.message).toContain(COMMAND);
    for (let n = 0; n < 20; n += 1) expect((await failure(() => client.call('lost'))).message).toContain(COMMAND);
    expect(auth.asked).toHaveLength(1);
    expect(mcp.calls).toEqual([]);

    put({ access_token: 'made-up-by-another-login', expires_at: LATER });
    expect(await client.call('after')).toBe('noted after');
    expect(leaks(client)).toEqual([]);
  });

  test('from the first message on', async () => {
    const { auth, mcp, put, speak, leaks } = await scene();
    auth.next.push(refusal('invalid_grant'));
    const bridge = speak();
    bridge.send(INITIALIZE);
    const { error } = await bridge.answerTo(1);
    expect(auth.asked).toHaveLength(1);
    expect(error?.message).toContain(COMMAND);
    expect(mcp.begun).toEqual([]);

    put({ expires_at: LATER });
    bridge.send({ ...INITIALIZE, id: 2 });
    expect((await bridge.answerTo(2)).result).toMatchObject({ serverInfo: { name: 'newest' } });
    bridge.leave();
    expect(leaks(await bridge.ended)).toEqual([]);
    expect(auth.asked).toHaveLength(1);
  });
});

describe('a server that rejects every token', () => {
  test.each([
    // As many as there could be in three minutes: the pauses between them double, from a minute or from a second on.
    ['the usual floor', {}, 3],
    ['no floor', NO_FLOOR, 9],
  ])('%s: token requests are bounded', async (_, environment, most) => {
    const { auth, mcp, put, bridge, leaks } = await scene();
    put({ expires_at: LATER });
    const client = await bridge(environment);
    mcp.newest = () => null;
    for (let n = 0; n < 50; n += 1) {
      expect((await failure(() => client.call('lost'))).message).toMatch(
        /server x rejects token p-x \(401\), although it has just been refreshed; run: token-refresher login x/,
      );
    }
    expect(auth.asked.length).toBeGreaterThan(0);
    expect(auth.asked.length).toBeLessThanOrEqual(most);
    expect(mcp.calls).toEqual([]);
    expect(leaks(client)).toEqual([]);
  });

  test('of a token that nothing can refresh: no token request', async () => {
    const { root, auth, mcp, bridge, leaks } = await scene();
    root.write(FILE, { provider: 'p', access_token: accessOf(auth), expires_at: LATER });
    const client = await bridge();
    mcp.newest = () => null;
    const { message } = await failure(() => client.call('lost'));
    expect(message).toMatch(/server x rejects token p-x \(401\), and it has no refresh token.*token-refresher login x/);
    expect(auth.asked).toEqual([]);
    expect(leaks(client)).toEqual([]);
  });
});

describe('a token endpoint that hangs', () => {
  const silence = { ...hang, rotates: false };

  test('keeps nobody waiting while the token is good', async () => {
    const { auth, mcp, put, bridge, leaks } = await scene();
    put({ expires_at: now() + 600 });
    auth.next.push(silence);
    const client = await bridge();
    for (let n = 0; n < 20; n += 1) await client.call(String(n));
    expect(mcp.calls).toHaveLength(20);
    expect(auth.asked).toHaveLength(1);
    expect(leaks(client)).toEqual([]);
    // Else the bridge waits for it.
    auth.stop();
  });

  test.runIf(FULL)('is told of before clients give up, and used once it answers', async () => {
    const { auth, mcp, put, bridge, leaks } = await scene();
    put({ expires_at: LATER });
    const client = await bridge();
    await client.call('before');
    let answer = (): void => undefined;
    auth.next.push({
      rotates: true,
      answer(response, issued) {
        answer = () => rotation.answer(response, issued);
      },
    });
    put();
    const hung = await failure(() => client.call('lost'));
    expect(hung.message).toContain('token p-x cannot be refreshed: no answer has come from its token endpoint so far');
    answer();
    expect(await client.call('after')).toBe('noted after');
    expect(mcp.calls).toEqual(['before', 'after']);
    expect(auth.asked).toHaveLength(1);
    expect(leaks(client)).toEqual([]);
  });
});

describe('a server that is away', () => {
  test('is waited for by the first message, too', async () => {
    const { root, mcp, put, speak, leaks } = await scene();
    put({ expires_at: LATER });
    const line = await Line.to(mcp.port);
    serverAt(root, line.through(mcp.url));
    line.cut();
    const bridge = speak();
    bridge.send(INITIALIZE);
    await byChance(2000);
    await line.mend();
    expect((await bridge.answerTo(1)).result).toMatchObject({ serverInfo: { name: 'newest' } });
    bridge.leave();
    expect(leaks(await bridge.ended)).toEqual([]);
  });

  test('and was so before the call: a connection that has ended meanwhile is not used', async () => {
    const { root, mcp, put, bridge, leaks } = await scene();
    put({ expires_at: LATER });
    const line = await Line.to(mcp.port);
    serverAt(root, line.through(mcp.url));
    const client = await bridge();
    const names = Array.from({ length: 10 }, (_, n) => String(n));
    for (const name of names) {
      await client.call(`${name} before`);
      // A machine that is busy: the bridge finds the end of its connection and the call at the same moment.
      process.kill(client.pid, 'SIGSTOP');
      line.cut();
      const call = client.call(name);
      await line.mend();
      process.kill(client.pid, 'SIGCONT');
      expect(await call).toBe(`noted ${name}`);
    }
    expect(mcp.calls).toEqual(names.flatMap((name) => [`${name} before`, name]));
    expect(leaks(client)).toEqual([]);
  });

  test.runIf(FULL)('for longer than a client waits: an error that says so', async () => {
    const { root, mcp, put, bridge, leaks } = await scene();
    put({ expires_at: LATER });
    const line = await Line.to(mcp.port);
    serverAt(root, line.through(mcp.url));
    const client = await bridge();
    await client.call('before');
    line.cut();
    const away = await failure(() => client.call('lost'));
    expect(away.message).toMatch(/cannot be reached \(ECONNREFUSED\); nothing was sent/);
    await line.mend();
    expect(await client.call('after')).toBe('noted after');
    expect(mcp.calls).toEqual(['before', 'after']);
    expect(leaks(client)).toEqual([]);
  });
});

describe('a request in flight when the connection breaks', () => {
  test.each([
    ['a stream', false],
    ['JSON', true],
  ])('answered with %s: an error, and nothing is carried out twice', async (_, json) => {
    const { root, mcp, put, bridge, leaks } = await scene({ json });
    put({ expires_at: LATER });
    const line = await Line.to(mcp.port);
    serverAt(root, line.through(mcp.url));
    const client = await bridge();
    const broken = failure(() => client.call('held', 'hold'));
    await until(() => mcp.held === 1, 'the call');
    line.cut();
    await line.mend();
    expect((await broken).message).toMatch(/may have been carried out/);
    expect(await client.call('after')).toBe('noted after');
    expect(mcp.calls).toEqual(['held', 'after']);
    expect(mcp.begun).toHaveLength(1);
    expect(leaks(client)).toEqual([]);
  });
});

describe('the end', () => {
  test.each([
    ['standard input is closed', (bridge: Spoken) => bridge.leave()],
    ['SIGTERM', (bridge: Spoken) => void bridge.process.kill('SIGTERM')],
  ])('%s while a refresh is in flight: it is finished and saved', async (_, end) => {
    const { root, auth, speak, leaks } = await scene();
    const release = auth.hold();
    const bridge = speak();
    bridge.send(INITIALIZE);
    await until(() => auth.asked.length === 1, 'the token request');
    end(bridge);
    await byChance(1000);
    release();
    const ended = await bridge.ended;
    expect(ended).toMatchObject({ code: 0, signal: null });
    expect(root.json(FILE)).toMatchObject({ refresh_token: auth.newest, access_token: accessOf(auth) });
    expect(auth.asked).toHaveLength(1);
    expect(leaks(ended)).toEqual([]);
  });

  test('standard input is closed behind a request that calls for a refresh: none is begun, or it is saved', async () => {
    const { root, auth, put, speak, leaks } = await scene();
    put({ expires_at: LATER });
    const bridge = speak();
    bridge.send(INITIALIZE);
    expect((await bridge.answerTo(1)).result).toMatchObject({ serverInfo: { name: 'newest' } });
    put();
    bridge.send({ id: 2, method: 'tools/list', params: {} });
    bridge.leave();
    const ended = await bridge.ended;
    expect(ended).toMatchObject({ code: 0, signal: null });
    expect(auth.asked.length).toBeLessThanOrEqual(1);
    expect(root.json(FILE).refresh_token).toBe(auth.newest);
    expect(leaks(ended)).toEqual([]);
  });
});

describe('headers and token', () => {
  const HEADERS = ['headers', 'x'];
  const TOKEN = ['token', 'p-x'];
  const printed = (access: string): object => ({ Authorization: `Bearer ${access}` });

  test('healthy: printed, and nothing asked for', async () => {
    const { root, auth, put, leaks } = await scene();
    put({ expires_at: LATER });
    const headers = await run(root.path, HEADERS, TALKATIVE);
    expect(headers).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(headers.stdout)).toMatchObject(printed(accessOf(auth)));
    const token = await run(root.path, TOKEN, TALKATIVE);
    expect(token).toMatchObject({ code: 0, stderr: '', stdout: `${accessOf(auth)}\n` });
    expect(auth.asked).toEqual([]);
    expect(leaks()).toEqual([]);
  });

  test.each([
    ['headers', HEADERS, (access: string) => `${JSON.stringify(printed(access))}\n`],
    ['token', TOKEN, (access: string) => `${access}\n`],
  ])('expired: refreshed, saved and printed by %s', async (_, call, line) => {
    const { root, auth, leaks } = await scene();
    const before = accessOf(auth);
    const { code, stdout, stderr } = await run(root.path, call, TALKATIVE);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(accessOf(auth)).not.toBe(before);
    expect(stdout).toBe(line(accessOf(auth)));
    expect(root.json(FILE).access_token).toBe(accessOf(auth));
    expect(auth.asked).toHaveLength(1);
    expect(leaks()).toEqual([]);
  });

  test('dead: why and what to run, exit code 1, and asked for once', async () => {
    const { root, auth, leaks } = await scene();
    auth.next.push(refusal('invalid_grant'));
    for (const call of [HEADERS, HEADERS, TOKEN]) {
      const ended = await run(root.path, call, TALKATIVE);
      expect(ended).toMatchObject({ code: 1, stdout: '' });
      expect(ended.stderr).toMatch(/invalid_grant/);
      if (call === HEADERS) expect(ended.stderr).toContain('run: token-refresher login x');
      expect(leaks(ended)).toEqual([]);
    }
    expect(auth.asked).toHaveLength(1);
  });

  test.each([HEADERS, TOKEN])(
    'what cannot be locked is not asked for: why, and exit code 1, from %s',
    async (...call) => {
      const { root, auth, leaks } = await scene();
      root.write('.oauth-tokens/.locks', 'in the way of the folder');
      const ended = await run(root.path, call, TALKATIVE);
      expect(ended).toMatchObject({ code: 1, stdout: '' });
      expect(ended.stderr).toMatch(/\.locks/);
      expect(auth.asked).toEqual([]);
      expect(leaks(ended)).toEqual([]);
    },
  );

  test('dead, but not expired yet: printed', async () => {
    const { root, auth, put, leaks } = await scene();
    put({ expires_at: now() + 600 });
    auth.next.push(refusal('invalid_grant'));
    const headers = await run(root.path, HEADERS, TALKATIVE);
    expect(headers.code).toBe(0);
    expect(JSON.parse(headers.stdout)).toMatchObject(printed(accessOf(auth)));
    expect(auth.asked).toHaveLength(1);
    expect(leaks()).toEqual([]);
  });
});
