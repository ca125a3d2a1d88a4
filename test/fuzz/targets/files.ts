import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import { dotenvEnvironment } from '../../../src/adapters/environment.js';
import { diskFiles } from '../../../src/adapters/files/disk-files.js';
import { answered, appFor, FakeClock, ListEndpoint, LOST } from '../../fixtures/app.js';
import type { Root } from '../../fixtures/root.js';
import type { Dice } from '../dice.js';
import { hostileValue, mutated, SECRET } from '../hostile.js';
import { type Inputs, rootOf } from '../inputs.js';
import type { Target } from '../target.js';

/** A root full of odd files, for several cycles. */
export const files: Target = {
  name: 'files',
  weight: 4,
  async run(dice) {
    const { root, inputs } = rootOf(dice);
    try {
      await live(dice, root, inputs);
    } finally {
      rmSync(root.path, { recursive: true, force: true });
    }
  },
};

async function live(dice: Dice, root: Root, inputs: Inputs): Promise<void> {
  const clock = new FakeClock();
  const endpoint = new ListEndpoint(clock);
  for (let n = dice.below(6); n > 0; n -= 1) {
    const fresh = { access_token: `${SECRET}-new-${n}`, refresh_token: `${SECRET}-next-${n}`, expires_in: 3600 };
    endpoint.next.push(
      dice.oneIn(5)
        ? LOST
        : answered(dice.pick([200, 200, 400, 503]), dice.oneIn(2) ? fresh : (mutated(dice, fresh) as object)),
    );
  }
  const environment = dotenvEnvironment(diskFiles(root.path), {});
  const { app, log, cycle } = await appFor(root.path, { clock, endpoint, environment });
  for (let n = 0; n < 3; n += 1) {
    app.loop.report(await cycle(dice.pick([0, 2, 4000]), dice.oneIn(4)));
    // What was refused is as it was.
    const { problems } = app.look().world;
    for (const [path, bytes] of inputs) {
      const refused = problems.some(({ file, severity }) => file === path && severity === 'error');
      if (refused) expect(readFileSync(root.full(path)).equals(bytes), `${path} is left as it is`).toBe(true);
    }
    expect(log.text).not.toContain(SECRET);
    expect(JSON.stringify(problems)).not.toContain(SECRET);
    for (const output of ['mcp.json', 'vscode_mcp.json', 'roo_mcp.json']) {
      const path = `.oauth-tokens/${output}`;
      if (!inputs.has(path) && existsSync(root.full(path))) expect(() => root.json(path), output).not.toThrow();
    }
    if (dice.oneIn(3)) {
      const path = dice.pick([...inputs.keys()]);
      const text = Buffer.from(JSON.stringify(hostileValue(dice)));
      if (path !== undefined && existsSync(root.full(path))) {
        writeFileSync(root.full(path), text);
        inputs.set(path, text);
      }
    }
  }
  await app.close();
}
