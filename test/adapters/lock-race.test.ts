import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { identityText, ownIdentity } from '../../src/adapters/locks/process-identity.js';
import { byChance } from '../fixtures/chance.js';
import type { Turn } from '../fixtures/lock-racer.js';
import { randomFrom } from '../fixtures/random.js';
import { Root } from '../fixtures/root.js';

/** By hand: LOCK_ROUNDS=1000 LOCK_SEED=7 npx vitest run test/adapters/lock-race.test.ts */
const ROUNDS = Number(process.env.LOCK_ROUNDS ?? 25);
const SEED = Number(process.env.LOCK_SEED ?? 1);
const RACERS = 6;
const PLACE = { file: '.oauth-tokens/raced.json', at: [] };

const folder = mkdtempSync(join(tmpdir(), 'token-refresher-racer-'));
const script = join(folder, 'racer.mjs');

beforeAll(async () => {
  await build({
    entryPoints: [fileURLToPath(new URL('../fixtures/lock-racer.ts', import.meta.url))],
    outfile: script,
    bundle: true,
    platform: 'node',
    format: 'esm',
    // Its steps are called as properties of the module, where they can be delayed.
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    plugins: [
      {
        name: 'file system as an object',
        setup({ onResolve, onLoad }) {
          onResolve({ filter: /^node:fs$/ }, () => ({ path: 'fs', namespace: 'object' }));
          onLoad({ filter: /.*/, namespace: 'object' }, () => ({ contents: "module.exports = require('fs')" }));
        },
      },
    ],
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

async function racer(): Promise<ChildProcess> {
  const child = fork(script, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child, 'message');
  return child;
}

async function takesTurn(child: ChildProcess, turn: Turn): Promise<string | null> {
  const over = new AbortController();
  const first = (event: string) => once(child, event, { signal: over.signal });
  const answer = Promise.race([first('message'), first('exit')]);
  child.send(turn);
  const [said] = await answer;
  over.abort();
  // One that was killed says nothing.
  return typeof said === 'object' && said !== null ? said.trouble : null;
}

test(`${RACERS} that find one dead lock, ${ROUNDS} rounds with delays, stops and kills: never two holders`, {
  timeout: 180_000 + ROUNDS * 2000,
}, async () => {
  const random = randomFrom(SEED);
  const root = new Root().write(PLACE.file, '{}');
  const gone = fork(script, { stdio: 'ignore' });
  gone.kill('SIGKILL');
  await once(gone, 'exit');
  const dead = identityText({ ...ownIdentity(), pid: gone.pid ?? 0, started: '1' });
  const racers = await Promise.all(Array.from({ length: RACERS }, racer));
  const troubles: string[] = [];
  const figures = { turns: 0, stopped: 0, killed: 0 };
  for (let round = 0; round < ROUNDS; round += 1) {
    root.write(`.oauth-tokens/.locks/raced.${dead}-0-${round}.lock`, '');
    const turn = { root: root.path, place: PLACE, witness: root.full('inside'), delay: round % 2 === 0 ? 15 : 0 };
    const turns = racers.map((child) => takesTurn(child, turn));
    figures.turns += RACERS;
    const struck = racers[Math.floor(random() * RACERS)] as ChildProcess;
    await byChance(40, random);
    const kills = random() < 0.2;
    figures[kills ? 'killed' : 'stopped'] += 1;
    struck.kill(kills ? 'SIGKILL' : 'SIGSTOP');
    if (!kills) {
      await byChance(100, random);
      struck.kill('SIGCONT');
    }
    troubles.push(
      ...(await Promise.all(turns)).flatMap((trouble) => (trouble === null ? [] : [`round ${round}: ${trouble}`])),
    );
    if (kills) racers[racers.indexOf(struck)] = await racer();
  }
  process.stdout.write(`${ROUNDS} rounds, ${JSON.stringify(figures)}\n`);
  expect(troubles).toEqual([]);
  expect(figures.turns).toBe(ROUNDS * RACERS);
});
