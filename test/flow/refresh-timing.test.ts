import { describe, expect, test } from 'vitest';
import { runOnce } from '../../src/daemon/once.js';
import { answered, appFor, FakeClock, type Fixture, ListEndpoint, LOST, UNREACHABLE } from '../fixtures/app.js';
import {
  type Behaviour,
  FaultServer,
  ownCredentials,
  refusal,
  reset,
  rotation,
  rotationWith,
  said,
} from '../fixtures/fault-server.js';
import { run, start, until } from '../fixtures/program.js';
import { Root } from '../fixtures/root.js';

const DAY = 86_400;
const YEAR = 365 * DAY;

interface Scene extends Fixture {
  readonly root: Root;
  readonly endpoint: ListEndpoint;
  restart(): Promise<Fixture>;
}

const fileOf = (name: string): string => `.oauth-tokens/${name}.json`;

function tokenFile(more: object = {}): object {
  return {
    access_token: 'access-1',
    refresh_token: 'refresh-1',
    expires_at: 1_700_000_000,
    ...ownCredentials('https://auth.example.com/token'),
    ...more,
  };
}

async function scene(floor = 30, names = ['a']): Promise<Scene> {
  const root = new Root();
  for (const name of names) root.write(fileOf(name), tokenFile());
  const clock = new FakeClock();
  const endpoint = new ListEndpoint(clock);
  const start = (): Promise<Fixture> => appFor(root.path, { clock, endpoint, timing: { floor } });
  return { ...(await start()), root, endpoint, restart: start };
}

async function cycles(count: number, each: number, { cycle }: Fixture): Promise<void> {
  for (let n = 0; n < count; n += 1) await cycle(each);
}

describe('how often', () => {
  test('a one-hour token under a buffer of one hour: about every 40 minutes', async () => {
    const now = await scene();
    await now.cycle();
    await cycles(8 * 60, 60, now);
    expect(now.endpoint.asked.length).toBeGreaterThan(10);
    expect(Math.min(...now.endpoint.pauses)).toBeGreaterThanOrEqual(2390);
    expect(Math.max(...now.endpoint.pauses)).toBeLessThanOrEqual(2520);
  });

  test('a one-day token: one buffer before its end', async () => {
    const now = await scene();
    now.endpoint.expiresIn = DAY;
    await now.cycle();
    await cycles(2 * 288, 300, now);
    expect(Math.min(...now.endpoint.pauses)).toBeGreaterThanOrEqual(DAY - 3700);
  });

  test.each([0, 1, -5, 10])('expires_in %d: not below the floor, also across restarts', async (expiresIn) => {
    const now = await scene();
    now.endpoint.expiresIn = expiresIn;
    for (let n = 0; n < 60; n += 1) {
      await (await now.restart()).cycle(7);
    }
    expect(Math.min(...now.endpoint.pauses)).toBeGreaterThanOrEqual(30);
  });

  test('the brake: more than 20 in 10 minutes that its lifetime did not call for', async () => {
    const now = await scene(0);
    now.endpoint.expiresIn = -5;
    await cycles(100, 2, now);
    expect(now.endpoint.asked.length).toBeGreaterThanOrEqual(20);
    expect(now.endpoint.asked.length).toBeLessThanOrEqual(22);
    expect(now.log.of('ERROR')).toHaveLength(1);
    expect(now.log.text).toMatch(/more than 20 refreshes in 10 minutes/);

    const braked = now.endpoint.asked.length;
    await cycles(20, 3600, await now.restart());
    expect(now.endpoint.asked).toHaveLength(braked);
    now.root.write(fileOf('a'), tokenFile({ refresh_token: 'of-a-new-login' }));
    now.endpoint.expiresIn = 3600;
    await now.cycle(1);
    expect(now.endpoint.asked).toHaveLength(braked + 1);
  });

  test('a person takes the brake off', async () => {
    const now = await scene(0);
    now.endpoint.expiresIn = -5;
    await cycles(60, 2, now);
    const braked = now.endpoint.asked.length;
    now.endpoint.expiresIn = 3600;
    await now.cycle(0, true);
    await cycles(2, 2400, now);
    expect(now.endpoint.asked).toHaveLength(braked + 2);
  });

  test('a person may go below the floor', async () => {
    const now = await scene();
    await cycles(1, 1, now);
    await now.cycle(1, true);
    await now.cycle(1, true);
    expect(now.endpoint.pauses).toEqual([1, 1]);
  });

  test('while it fails it is asked for as long as it takes, at most every 15 minutes by then', async () => {
    const now = await scene();
    now.clock.chance = 0.999;
    now.endpoint.next.push(...Array.from({ length: 1000 }, () => UNREACHABLE));
    await cycles(400, 60, now);
    expect(now.endpoint.pauses.slice(-5).every((pause) => pause >= 890 && pause <= 960)).toBe(true);
    now.endpoint.next.length = 0;
    await now.cycle(960);
    expect(now.root.json(fileOf('a')).access_token).toMatch(/access-\d\d/);
  });

  test.each([0, 0.999])('the back-off with chance %d is never shorter than a second', async (chance) => {
    const now = await scene();
    now.clock.chance = chance;
    now.endpoint.next.push(...Array.from({ length: 1000 }, () => answered(503, '')));
    await cycles(1000, 0.1, now);
    expect(Math.min(...now.endpoint.pauses)).toBeGreaterThanOrEqual(1);
  });
});

describe('a host that asked to be left alone', () => {
  const busy = (until: string): ReturnType<typeof answered> => answered(429, '', { 'retry-after': until });

  test('is, by every token', async () => {
    const now = await scene(30, ['a']);
    now.endpoint.next.push(busy('600'));
    await now.cycle();
    now.root.write(fileOf('b'), tokenFile({ refresh_token: 'refresh-b' }));
    await cycles(59, 10, now);
    expect(now.endpoint.asked).toHaveLength(1);
    await now.cycle(10);
    expect(now.endpoint.asked).toHaveLength(3);
  });

  test('is, after a restart', async () => {
    const now = await scene(30, ['a']);
    now.endpoint.next.push(busy('600'));
    await now.cycle();
    now.root.write(fileOf('b'), tokenFile({ refresh_token: 'refresh-b' }));
    await (await now.restart()).cycle(590);
    expect(now.endpoint.asked).toHaveLength(1);
  });

  test('until a date, by the clock of the server', async () => {
    const now = await scene();
    // This machine's clock is two hours ahead.
    const theirs = now.clock.now() - 7200;
    const date = new Date(theirs * 1000).toUTCString();
    const until = new Date((theirs + 900) * 1000).toUTCString();
    now.endpoint.next.push(answered(503, '', { date, 'retry-after': until }));
    await now.cycle();
    await cycles(89, 10, now);
    expect(now.endpoint.asked).toHaveLength(1);
    await now.cycle(11);
    expect(now.endpoint.asked).toHaveLength(2);
  });

  test('stops what was about to be sent: 4 requests and no more', async () => {
    const names = Array.from({ length: 30 }, (_, n) => `t${n}`);
    const now = await scene(30, names);
    now.endpoint.next.push(...names.map(() => busy('600')));
    await now.cycle();
    await now.cycle(60);
    expect(now.endpoint.asked.length).toBeLessThanOrEqual(4);
  });

  test('also when a person has asked for all of them', async () => {
    const names = Array.from({ length: 30 }, (_, n) => `t${n}`);
    const now = await scene(30, names);
    now.endpoint.next.push(...names.map(() => busy('600')));
    await now.cycle(0, true);
    expect(now.endpoint.asked.length).toBeLessThanOrEqual(4);
  });

  test('also by commands that run beside', async () => {
    const root = new Root();
    const server = await FaultServer.start();
    const hold = { 'retry-after': '600' };
    server.next.push({ rotates: false, answer: (response) => void response.writeHead(429, hold).end() });
    root.write(fileOf('a'), server.file());
    await run(root.path, ['token', 'a']);
    root.write(fileOf('b'), server.file({ refresh_token: 'made-up-refresh-b' }));
    await run(root.path, ['token', 'b']);
    await run(root.path, ['refresh']);
    expect(server.asked).toHaveLength(1);
  });

  test('not for longer than a day, whatever the clock does', async () => {
    const now = await scene();
    now.clock.set(now.clock.now() + YEAR);
    now.endpoint.next.push(busy('86400'));
    await now.cycle();
    now.clock.set(now.clock.now() - YEAR);
    now.root.write(fileOf('b'), tokenFile({ refresh_token: 'refresh-b' }));
    const later = await now.restart();
    await later.cycle(DAY + 1);
    expect(now.endpoint.asked.length).toBeGreaterThanOrEqual(2);
    expect(now.endpoint.asked.map(({ spent }) => spent)).toContain('refresh-b');
  });
});

describe('clocks', () => {
  test('set forward by a year and back again: refreshed once each time', async () => {
    const now = await scene();
    await now.cycle();
    now.clock.set(now.clock.now() + YEAR);
    await now.cycle();
    await now.cycle(60);
    expect(now.endpoint.asked).toHaveLength(2);
    now.clock.set(now.clock.now() - YEAR);
    await now.cycle();
    await now.cycle(60);
    expect(now.endpoint.asked).toHaveLength(3);
  });

  test('set back while it backs off: not waited for by years', async () => {
    const now = await scene();
    now.clock.set(now.clock.now() + YEAR);
    now.endpoint.next.push(UNREACHABLE);
    await now.cycle();
    now.clock.set(now.clock.now() - YEAR);
    await now.cycle(1);
    expect(now.endpoint.asked).toHaveLength(2);
  });

  test('set back while a dead token waits to be confirmed: confirmed, then parked', async () => {
    const now = await scene();
    const dead = answered(400, { error: 'invalid_grant' });
    now.clock.set(now.clock.now() + YEAR);
    now.endpoint.next.push(...Array.from({ length: 100 }, () => dead));
    await now.cycle();
    now.clock.set(now.clock.now() - YEAR);
    await cycles(100, 60, now);
    expect(now.endpoint.asked).toHaveLength(2);
  });

  test.each([
    ['behind', -1800],
    ['ahead', 1800],
  ])(
    'a clock that is %s by half an hour: the token never ends unnoticed, and is not asked for more often',
    async (_name, skew) => {
      const now = await scene();
      const server = (): number => now.clock.now() - skew;
      const ends: number[] = [];
      const ask = now.endpoint.request.bind(now.endpoint);
      now.endpoint.request = async (recipe, token) => {
        const exchange = await ask(recipe, token);
        ends.push(server() + 3600);
        const date = new Date(server() * 1000).toUTCString();
        return { ...exchange, answer: exchange.answer && { ...exchange.answer, headers: { date } } };
      };
      await now.cycle();
      for (let minute = 0; minute < 300; minute += 1) {
        await now.cycle(60);
        expect(server()).toBeLessThan(ends.at(-1) ?? 0);
      }
      expect(Math.min(...now.endpoint.pauses)).toBeGreaterThan(2300);
      expect(now.log.of('WARNING')).toHaveLength(1);
      expect(now.log.text).toMatch(/clock is 1800 s/);
    },
  );
});

describe('state that outlives the process', () => {
  test('a pause after a lost answer', async () => {
    const now = await scene();
    now.endpoint.next.push(LOST, LOST);
    await now.cycle();
    await (await now.restart()).cycle(1);
    await (await now.restart()).cycle(1);
    await (await now.restart()).cycle(14);
    expect(now.endpoint.asked).toHaveLength(2);
    await (await now.restart()).cycle(1);
    expect(now.endpoint.asked).toHaveLength(3);
  });

  test.each([
    ['missing', (root: Root) => root.remove('.token-refresher')],
    ['damaged', (root: Root) => root.write('.token-refresher/attempts/a.json', '{"generation": 1, "pend')],
    [
      'of another shape',
      (root: Root) =>
        root.write('.token-refresher/attempts/a.json', {
          generation: 1,
          pending: 7,
          verdict: 'x',
          uncalled: null,
          hostHeld: 'y',
        }),
    ],
  ])('a journal that is %s does no harm', async (_name, spoil) => {
    const now = await scene();
    await now.cycle();
    spoil(now.root);
    const later = await now.restart();
    await later.cycle(2500);
    await later.cycle(2500);
    expect(now.endpoint.asked.length).toBeGreaterThanOrEqual(2);
    expect(later.log.of('ERROR')).toEqual([]);
  });
});

test('60 tokens at one host: 4 at a time, and the next one as soon as one of them is done', async () => {
  const COUNT = 60;
  const root = new Root();
  const server = await FaultServer.start();
  const answers: (() => void)[] = [];
  for (let n = 0; n < COUNT; n += 1) {
    root.write(fileOf(`t${n}`), server.file({ refresh_token: undefined, grant_type: 'client_credentials' }));
    server.next.push({
      rotates: true,
      answer: (response, issued) => void answers.push(() => rotation.answer(response, issued)),
    });
  }
  const { cycle } = await appFor(root.path);
  const cycling = cycle();
  for (let answered = 0; answered < COUNT; answered += 1) {
    await until(() => server.asked.length >= Math.min(answered + 4, COUNT), 'the next request');
    await until(() => answers.length > 0, 'one that can be answered');
    answers.shift()?.();
  }
  await cycling;
  expect(server.asked).toHaveLength(COUNT);
  expect(Math.max(...server.asked.map(({ concurrency }) => concurrency))).toBe(4);
  expect(root.json(fileOf('t59')).access_token).toMatch(/^made-up-access/);
});

describe('--once', () => {
  test('asks again after 2 s also when its timer is a trifle early', async () => {
    const { app, clock, endpoint } = await scene();
    endpoint.next.push(LOST);
    clock.sleep = async (seconds) => clock.pass(seconds - 0.001);
    await runOnce(app.loop, false, 2.5);
    expect(endpoint.asked).toHaveLength(2);
  });

  test('waits for one retry and for no more', async () => {
    const { app, clock, endpoint } = await scene();
    endpoint.next.push(LOST, LOST);
    const began = clock.monotonic();
    await runOnce(app.loop, false, 2.5);
    expect(endpoint.asked).toHaveLength(2);
    expect(clock.monotonic() - began).toBeLessThan(3);
  });
});

test('the daemon, left alone, asks for what it must and no more', async () => {
  // How often it may, until the server that is busy for a while has been asked for the third time, after some 7 s.
  const rows: readonly [string, Behaviour, number][] = [
    ['expires_in 0', rotationWith({ expires_in: 0 }), 1],
    ['invalid_grant', refusal('invalid_grant'), 1],
    ['invalid_client', refusal('invalid_client'), 1],
    ['429 with Retry-After', said('', { status: 429, headers: { 'retry-after': '60' } }), 1],
    ['reset', reset(false), 3],
    ['503', said('', { status: 503 }), 3],
  ];
  const root = new Root();
  const servers = await Promise.all(
    rows.map(async ([, behaviour], n) => {
      const server = await FaultServer.start(`${n}-`);
      server.next.push(...Array.from({ length: 1000 }, () => behaviour));
      root.write(fileOf(`t${n}`), server.file());
      return server;
    }),
  );
  const busy = servers.at(-1);
  let counts: number[] | null = null;
  if (busy) {
    busy.witness = () => {
      if (busy.asked.length === 3) counts = servers.map(({ asked }) => asked.length);
    };
  }
  const { process: daemon, ended } = start(root.path);
  const seen = await until(() => counts, 'the third request');
  daemon.kill('SIGTERM');
  await ended;
  for (const [n, [name, , most]] of rows.entries()) {
    expect(seen[n], name).toBeGreaterThanOrEqual(1);
    expect(seen[n], name).toBeLessThanOrEqual(most);
  }
  expect(root.text('token_refresher.log').split('\n').length).toBeLessThan(60);
});
