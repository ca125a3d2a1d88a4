// What every bench measures with: whole processes, and ratios to `node -e 0` in the same run.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const PROGRAM = fileURLToPath(new URL('../../dist/main.cjs', import.meta.url));

const rows = [];
export const say = (what, figure, limit) => rows.push({ what, figure, limit });

export function report() {
  for (const { what, figure, limit } of rows) console.log(`${what.padEnd(58)} ${figure.padEnd(28)} at most ${limit}`);
}

export const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
export const ms = (seconds) => `${(seconds * 1000).toFixed(1)} ms`;

export function time(args, cwd) {
  const began = performance.now();
  const { status, stderr } = spawnSync(process.execPath, args, { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}: ${stderr}`);
  return (performance.now() - began) / 1000;
}

/** In turn, so that a machine that grows slower or faster does so for both. */
export function ratio(args, cwd, runs = 15) {
  time(args, cwd);
  const pairs = Array.from({ length: runs }, () => [time(args, cwd), time(['-e', '0'], cwd)]);
  return { seconds: median(pairs.map(([a]) => a)), times: median(pairs.map(([a, b]) => a / b)) };
}
