import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { byChance } from '../fixtures/chance.js';
import { FaultServer, type Temper } from '../fixtures/fault-server.js';
import { randomFrom } from '../fixtures/random.js';
import { Root } from '../fixtures/root.js';
import { ownerOfPort } from '../fixtures/socket-owner.js';

/** By hand: RACE_PROCESSES=20 RACE_ROUNDS=50 RACE_SEED=7 npx vitest run test/flow/races.test.ts */
const PROCESSES = Number(process.env.RACE_PROCESSES ?? 6);
const ROUNDS = Number(process.env.RACE_ROUNDS ?? 5);
const SEED = Number(process.env.RACE_SEED ?? 1);
const PROGRAM = process.env.RACE_PROGRAM ?? fileURLToPath(new URL('../../dist/main.cjs', import.meta.url));

const FILE = '.oauth-tokens/fault-thing-egress.json';
const NAME = 'fault-thing';

interface Racer {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly ended: Promise<string>;
}

function race(root: Root, args: readonly string[]): Racer {
  const child = spawn(process.execPath, [PROGRAM, ...args, '--log-file', '-'], {
    cwd: root.path,
    env: { PATH: process.env.PATH ?? '' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  return { process: child, pid: child.pid ?? 0, ended: once(child, 'close').then(() => stderr) };
}

const CALLS: readonly (readonly string[])[] = [
  ['refresh', NAME, '--force'],
  ['refresh', NAME],
  ['token', NAME],
  ['token', NAME],
  ['run', '--once'],
];

interface Figures {
  started: number;
  killed: number;
  stopped: number;
  /** Requests whose process could not be told. */
  unknown: number;
}

async function runRace(temper: Temper, violent: boolean): Promise<Figures> {
  const random = randomFrom(SEED);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const root = new Root();
  const server = await FaultServer.start();
  server.temper = temper;
  server.delay = 20;
  root.write(FILE, server.file());

  const racers = new Map<number, Racer>();
  const killed = new Set<number>();
  /** Who sent the request that spent a refresh token last. */
  const spenders = new Map<string, number | null>();
  const unexcused: string[] = [];
  const violence: Promise<void>[] = [];
  const figures: Figures = { started: 0, killed: 0, stopped: 0, unknown: 0 };
  onTestFinished(() => {
    for (const { process } of racers.values()) process.kill('SIGKILL');
  });

  const attack = async ({ process, pid }: Racer, most: number): Promise<void> => {
    const kills = random() < 0.5;
    await byChance(most, random);
    if (process.exitCode !== null || process.signalCode !== null) return;
    figures[kills ? 'killed' : 'stopped'] += 1;
    if (kills) killed.add(pid);
    process.kill(kills ? 'SIGKILL' : 'SIGSTOP');
    if (kills) return;
    await byChance(420, random);
    process.kill('SIGCONT');
  };
  server.witness = ({ spent, reuse, port }) => {
    const owner = ownerOfPort(port, racers.keys());
    const last = spenders.get(spent);
    // A process that cannot be found any more was killed after it had asked.
    if (reuse && last !== null && last !== undefined && !killed.has(last)) unexcused.push(spent);
    spenders.set(spent, owner);
    if (owner === null) figures.unknown += 1;
    const racer = owner === null ? undefined : racers.get(owner);
    // Around the answer, which comes after 20 ms: where it hurts.
    if (violent && racer && random() < 0.5) violence.push(attack(racer, 40));
  };

  const takePart = async (): Promise<void> => {
    await byChance(40 * PROCESSES, random);
    const racer = race(root, pick(CALLS));
    racers.set(racer.pid, racer);
    figures.started += 1;
    if (violent && random() < 0.3) violence.push(attack(racer, 550));
    await racer.ended;
    racers.delete(racer.pid);
  };
  for (let round = 0; round < ROUNDS; round += 1) {
    // Another hour has gone by: the token is due for everybody.
    root.write(FILE, { ...root.json(FILE), expires_at: 1 });
    await Promise.all(Array.from({ length: PROCESSES }, takePart));
    await Promise.all(violence.splice(0));
    expect(unexcused).toEqual([]);
  }
  // Whatever became of the last round: one more that nobody disturbs.
  server.witness = () => undefined;
  await race(root, ['refresh', NAME, '--force']).ended;
  expect(root.json(FILE).refresh_token).toBe(server.newest);
  expect(root.mode(FILE)).toBe(0o600);
  expect(server.asked.length).toBeGreaterThanOrEqual(ROUNDS);
  process.stdout.write(
    `${temper}${violent ? ', with violence' : ''}: ${ROUNDS} rounds, ${JSON.stringify(figures)}, ` +
      `${server.asked.length} requests, ${server.reuses.length} reuses, each after a lost answer\n`,
  );
  return figures;
}

describe.skipIf(process.platform !== 'linux')(
  `${PROCESSES} processes on one token, ${ROUNDS} rounds, seed ${SEED}`,
  () => {
    const timeout = 180_000 + ROUNDS * PROCESSES * 1000;

    test('never use a refresh token twice', { timeout }, async () => {
      expect(await runRace('strict', false)).toMatchObject({ started: PROCESSES * ROUNDS, killed: 0, stopped: 0 });
    });

    test('never use one twice but for a lost answer, whoever is killed or stopped', { timeout }, async () => {
      const { killed, stopped } = await runRace('graceful', true);
      expect(killed + stopped).toBeGreaterThan(0);
    });
  },
);
