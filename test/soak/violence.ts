import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AuthorizationServer, startAuthorizationServer } from '../fixtures/authorization-server.js';
import { Machine } from '../fixtures/machines.js';
import { until } from '../fixtures/program.js';
import { randomFrom } from '../fixtures/random.js';
import { RedisServer } from '../fixtures/redis-server.js';
import { define } from '../fixtures/registry.js';
import { NAMESPACE, sharedTokens } from '../fixtures/shared-state.js';

export interface Manner {
  readonly tokens: number;
  /** Seconds. */
  readonly lasts: number;
  readonly seed: number;
  /** Seconds of calm between one disturbance and the next, at least; as many again at most. */
  readonly calm: number;
  /** Seconds that an access token lives. */
  readonly lifetime: number;
  /**
   * Seconds. A refresh begins when a third of the lifetime is left; a machine that others use may take longer over it.
   * Null where nothing is known of the machine.
   */
  readonly late: number | null;
}

export interface Figures {
  readonly tokens: number;
  requests: number;
  kills: number;
  stops: number;
  cuts: number;
  restarts: number;
  /** Why the authorization server refused a request: a refresh token that came twice is among them. */
  refused: readonly string[];
  samples: number;
  /** Samples at which nothing was disturbed, nor had been just before. */
  calmSamples: number;
  /** Seconds for which the oldest token outlived its lifetime while nothing was disturbed; below 0, none did. */
  oldestInCalm: number;
  oldestWhenDisturbed: number;
  readonly failures: string[];
}

/**
 * Seconds after a disturbance for which it explains an old token. A lock whose holder is gone is free after 2.5 s, and
 * no lock is given for as long after a restart of Redis; then what was missed is refreshed, four at a time.
 */
const AFTERMATH = { kill: 6, stop: 4, cut: 6, restart: 8 } as const;
const SAMPLE_EVERY = 0.25;

type Kind = keyof typeof AFTERMATH;

interface Disturbance {
  readonly kind: Kind;
  readonly from: number;
  until: number;
}

const now = (): number => Date.now() / 1000;
const pass = (seconds: number): Promise<void> => sleep(seconds * 1000);

/** Three machines on one Redis, whose daemons are killed and stopped, and cut off, and whose Redis is restarted. */
export async function disturb({ tokens, lasts, seed, calm, lifetime, late }: Manner): Promise<Figures> {
  const random = randomFrom(seed);
  const between = (least: number, most: number): number => least + random() * (most - least);
  const key = randomBytes(32).toString('base64');
  const redis = await RedisServer.start();
  const server = await startAuthorizationServer({ accessTokenLifetime: lifetime });
  const environment = { TOKEN_ENCRYPTION_KEY: key, TOKEN_REFRESH_FLOOR: '0' };
  const machines = await Promise.all([1, 2, 3].map(() => Machine.at(redis, environment)));
  const names = Array.from({ length: tokens }, (_, n) => `s${n + 1}`);
  await furnish(machines, names, server);

  const figures: Figures = {
    tokens,
    requests: 0,
    kills: 0,
    stops: 0,
    cuts: 0,
    restarts: 0,
    refused: server.refused,
    samples: 0,
    calmSamples: 0,
    oldestInCalm: Number.NEGATIVE_INFINITY,
    oldestWhenDisturbed: Number.NEGATIVE_INFINITY,
    failures: [],
  };
  const disturbances: Disturbance[] = [];
  let redisIsUp = true;

  const isDisturbed = (from: number, to: number): boolean =>
    disturbances.some((one) => one.from <= to && from <= one.until + AFTERMATH[one.kind]);
  const during = async (kind: Kind, act: () => Promise<void>): Promise<void> => {
    const disturbance = { kind, from: now(), until: Number.POSITIVE_INFINITY };
    disturbances.push(disturbance);
    await act();
    disturbance.until = now();
  };

  /** Seconds for which a token outlives its lifetime. */
  const overAge = (access: string, at: number): number =>
    at - (server.bornAt.get(access) ?? Number.NEGATIVE_INFINITY) - lifetime;
  const look = async (): Promise<{ where: string; over: number }[]> => {
    const seen = machines.flatMap(({ authorizations }, n) =>
      names.map((name) => {
        const access = (authorizations.get(name) ?? '').replace('Bearer ', '');
        return { where: `${name} on machine ${n + 1}`, over: overAge(access, now()) };
      }),
    );
    const at = now();
    const shared = redisIsUp ? await sharedTokens(redis, key).catch(() => []) : [];
    return [...seen, ...shared.map(({ path, access }) => ({ where: `${path} in Redis`, over: overAge(access, at) }))];
  };
  const sample = async (): Promise<void> => {
    const from = now();
    const seen = await look();
    const calm = !isDisturbed(from, now());
    figures.samples += 1;
    const worst = seen.reduce((a, b) => (b.over > a.over ? b : a));
    if (calm) {
      figures.calmSamples += 1;
      figures.oldestInCalm = Math.max(figures.oldestInCalm, worst.over);
      if (late !== null && worst.over > late) {
        const old = seen.filter(({ over }) => over > late).length;
        const last = disturbances.reduce((a, b) => (b.until > a.until ? b : a));
        const after = `${(from - last.until).toFixed(1)} s after a ${last.kind}`;
        figures.failures.push(`${old} too old ${after}: ${worst.where} by ${worst.over.toFixed(1)} s`);
      }
    } else figures.oldestWhenDisturbed = Math.max(figures.oldestWhenDisturbed, worst.over);
  };

  /**
   * A process that is killed between sending a refresh and saving the answer takes a single-use refresh token with it,
   * and no program can prevent that. So it is stopped first, and killed only when no request is under way by what
   * stands in Redis: there a request is noted before it is sent, until its answer is saved.
   */
  const killWhenQuiet = async (machine: Machine): Promise<void> => {
    for (;;) {
      await machine.pause();
      if (!(await sharedTokens(redis, key)).some(({ isAsking }) => isAsking)) break;
      machine.signal('SIGCONT');
      await pass(between(0.02, 0.2));
    }
    await machine.end('SIGKILL');
  };
  const pick = (but: Machine | null): Machine => {
    const left = machines.filter((machine) => machine !== but);
    return left[Math.floor(random() * left.length)] as Machine;
  };
  const kill = (machine: Machine, pause: number): Promise<void> =>
    during('kill', async () => {
      await killWhenQuiet(machine);
      figures.kills += 1;
      await pass(pause);
      machine.start();
    });
  const stop = (machine: Machine, pause: number): Promise<void> =>
    during('stop', async () => {
      await machine.pause();
      figures.stops += 1;
      await pass(pause);
      machine.signal('SIGCONT');
    });
  const cut = (machine: Machine, pause: number): Promise<void> =>
    during('cut', async () => {
      machine.line.cut();
      figures.cuts += 1;
      await pass(pause);
      await machine.line.mend();
    });
  let writtenBefore = '';
  const restart = (pause: number, loses: 'nothing' | 'everything'): Promise<void> =>
    during('restart', async () => {
      redisIsUp = false;
      await redis.stop();
      if (loses === 'everything') {
        writtenBefore += redis.written;
        redis.empty();
      }
      await pass(pause);
      await redis.restart();
      redisIsUp = true;
      figures.restarts += 1;
    });

  const episode = async (): Promise<void> => {
    const one = pick(null);
    const other = pick(one);
    const chance = random();
    if (chance < 0.35) await kill(one, between(0, 3));
    else if (chance < 0.6) await stop(one, between(0.2, 8));
    else if (chance < 0.8) await cut(one, between(0.1, 6));
    else await Promise.all([kill(one, between(0, 3)), stop(other, between(0.2, 5))]);
  };

  for (const machine of machines) machine.start();
  const whole = (): boolean =>
    machines.every(({ authorizations }) =>
      names.every((name) => server.bornAt.has((authorizations.get(name) ?? '').replace('Bearer ', ''))),
    );
  await until(whole, 'every token everywhere');
  const began = now();
  const restartsAt = [between(0.15, 0.45), between(0.55, 0.85)].map((share) => began + share * lasts);
  const ended = new AbortController();
  const sampling = (async () => {
    while (!ended.signal.aborted) {
      await sample();
      await pass(SAMPLE_EVERY);
    }
  })();
  while (now() < began + lasts) {
    await pass(between(calm, 2 * calm));
    const due = restartsAt[0];
    if (due !== undefined && due <= now()) {
      restartsAt.shift();
      // Some machine sleeps through the first one. With the second one Redis loses all, locks included: a machine that
      // slept with a request under way could not take its lock again, and another would ask for the same.
      if (restartsAt.length > 0)
        await Promise.all([restart(between(0, 3), 'nothing'), stop(pick(null), between(0.2, 5))]);
      else await restart(between(0, 3), 'everything');
    } else await episode();
  }
  await until(() => !isDisturbed(now(), now()), 'the end of the aftermath');
  await pass(lifetime);
  // However late: in the end every machine goes on with tokens that are newer than all that has befallen them.
  const calmSince = now();
  const isNew = (access: string): boolean => (server.bornAt.get(access) ?? 0) >= calmSince;
  const recovered = (): boolean =>
    machines.every(({ authorizations }) =>
      names.every((name) => isNew((authorizations.get(name) ?? '').replace('Bearer ', ''))),
    );
  await until(recovered, 'new tokens everywhere');
  ended.abort();
  await sampling;

  figures.requests = server.asked;
  const { issued } = server;
  for (const [n, machine] of machines.entries()) {
    const { code, stderr } = await machine.end('SIGTERM');
    if (code !== 0) figures.failures.push(`machine ${n + 1} ended with ${code}: ${stderr}`);
    const text = machine.log + stderr;
    const told = [key, server.clientSecret, ...issued].filter((secret) => text.includes(secret));
    if (told.length > 0) figures.failures.push(`${told.length} secrets in the log of machine ${n + 1}`);
  }
  // Access tokens are published as well, which is what programs read that know nothing of this one.
  const documents = JSON.stringify(await redis.ask('HGETALL', `${NAMESPACE}shared:documents`));
  const refreshTokens = issued.filter((token) => !server.bornAt.has(token));
  const written = writtenBefore + redis.written;
  const plain = [
    ...issued.filter((token) => documents.includes(token)),
    ...[key, server.clientSecret, ...refreshTokens].filter((secret) => written.includes(secret)),
  ];
  if (plain.length > 0) figures.failures.push(`${plain.length} secrets in Redis that are not encrypted`);
  if (figures.failures.length > 0) console.log(machines.map(({ log }) => log.slice(-6000)).join('\n---\n'));
  return figures;
}

async function furnish(machines: readonly Machine[], names: readonly string[], server: AuthorizationServer) {
  for (const name of names) {
    for (const { root } of machines) {
      define(root, `${name}.json`, {
        server_name: name,
        path: `/${name}`,
        mcp_endpoint: `https://${name}.test/mcp`,
        auth_type: 'oauth',
        auth_provider: 'soak',
      });
    }
    // The others get it from Redis.
    machines[0]?.root.write(`.oauth-tokens/soak-${name}-egress.json`, {
      provider: 'soak',
      access_token: `made-up-${name}`,
      refresh_token: await server.login('client_secret_basic'),
      expires_at: 1,
      token_endpoint: server.tokenEndpoint,
      token_endpoint_auth_method: 'client_secret_basic',
      client_id: server.clientId('client_secret_basic'),
      client_secret: server.clientSecret,
    });
  }
}

export function rowsOf(figures: Figures): string[][] {
  const { tokens, requests, kills, stops, cuts, restarts, refused, samples, calmSamples } = figures;
  const { oldestInCalm, oldestWhenDisturbed } = figures;
  return [
    ['tokens', String(tokens)],
    ['requests', String(requests)],
    ['kills', String(kills)],
    ['stops', String(stops)],
    ['cut off from Redis', String(cuts)],
    ['restarts of Redis', String(restarts)],
    ['refused by the server (reuses among them)', String(refused.length)],
    ['samples (in calm)', `${samples} (${calmSamples})`],
    ['oldest token in calm, over its lifetime', `${oldestInCalm.toFixed(2)} s`],
    ['oldest token when disturbed, over its lifetime', `${oldestWhenDisturbed.toFixed(2)} s`],
  ];
}
