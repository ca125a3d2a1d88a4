import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { type AuthorizationServer, startAuthorizationServer } from '../fixtures/authorization-server.js';
import { Line } from '../fixtures/line.js';
import { define } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';
import { MOUNTS, mount, SmallRoot } from '../fixtures/small-root.js';

export const TOKENS = 50;
/** Seconds. */
export const LIFETIME = 360;
const ON_ITS_WAY_MS = 200;

/** A root whose disk can be taken away, and what is on it kept. */
export class LooseRoot extends SmallRoot {
  readonly #aside = mkdtempSync(join(tmpdir(), 'token-refresher-aside-'));

  constructor() {
    super('4m');
    onTestFinished(() => {
      spawnSync('umount', ['-l', this.#aside]);
      rmdirSync(this.#aside);
    });
  }

  takeAway(): void {
    this.#move(this.path, this.#aside);
  }

  giveBack(): void {
    this.#move(this.#aside, this.path);
  }

  #move(from: string, to: string): void {
    if (!mount('--bind', from, to) || spawnSync('umount', ['-l', from]).status !== 0) throw new Error('cannot move');
  }
}

export interface Surroundings {
  readonly root: Root;
  /** The same, where this machine lets us mount. */
  readonly disk: LooseRoot | null;
  readonly server: AuthorizationServer;
  readonly line: Line;
  /** Which tokens are not as they should be by the daemon's clock, and why. */
  stale(now: () => number): Promise<string[]>;
}

export async function surroundings(): Promise<Surroundings> {
  const disk = MOUNTS ? new LooseRoot() : null;
  const root = disk ?? new Root();
  const server = await startAuthorizationServer({ accessTokenLifetime: LIFETIME });
  const line = await Line.to(Number(new URL(server.tokenEndpoint).port));
  const names = Array.from({ length: TOKENS }, (_, n) => `s${n + 1}`);
  const fileOf = (name: string): string => `.oauth-tokens/soak-${name}-egress.json`;
  for (const name of names) {
    define(root, `${name}.json`, {
      server_name: name,
      path: `/${name}`,
      mcp_endpoint: `https://${name}.test/mcp`,
      auth_type: 'oauth',
      auth_provider: 'soak',
    });
    root.write(fileOf(name), {
      provider: 'soak',
      access_token: `made-up-${name}`,
      refresh_token: await server.login('client_secret_basic'),
      expires_at: 1,
      token_endpoint: line.through(server.tokenEndpoint),
      token_endpoint_auth_method: 'client_secret_basic',
      client_id: server.clientId('client_secret_basic'),
      client_secret: server.clientSecret,
    });
  }
  const trouble = async (name: string, now: number): Promise<string | null> => {
    if (!root.has(fileOf(name))) return 'gone';
    const { access_token, refresh_token, expires_at } = root.json(fileOf(name));
    if (expires_at <= now) return 'expired';
    if (expires_at > now + LIFETIME + 60) return 'said to live for longer than it does';
    if (!(await server.isActive(access_token))) return 'of an access token that is not active';
    return (await server.isActive(refresh_token)) ? null : 'of a refresh token that is spent';
  };
  const troubled = async (which: readonly string[], now: number): Promise<[name: string, why: string][]> => {
    const all = await Promise.all(which.map(async (name) => [name, await trouble(name, now)] as const));
    return all.flatMap(([name, why]) => (why === null ? [] : [[name, why]]));
  };
  const stale = async (now: () => number): Promise<string[]> => {
    const first = await troubled(names, now());
    if (first.length === 0) return [];
    // What the server has just rotated may be on its way to the file.
    await sleep(ON_ITS_WAY_MS);
    const still = await troubled(
      first.map(([name]) => name),
      now(),
    );
    return still.map(([name, why]) => `${name}: ${why}`);
  };
  return { root, disk, server, line, stale };
}
