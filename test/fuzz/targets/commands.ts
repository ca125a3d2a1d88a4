import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { expect } from 'vitest';
import { BARE, SCRIPT } from '../../fixtures/program.js';
import { hostileText, SECRET } from '../hostile.js';
import { rootOf } from '../inputs.js';
import type { Target } from '../target.js';

const COMMANDS = [
  ['--once'],
  ['--once', '--dry-run'],
  ['status', '--json'],
  ['status'],
  ['health'],
  ['validate'],
  ['render'],
  ['headers', 'server'],
  ['token', 'p-server'],
  ['refresh', '--force'],
];

/** The built program, on a root full of odd files. */
export const commands: Target = {
  name: 'commands',
  weight: 1,
  async run(dice) {
    const { root } = rootOf(dice);
    // Nobody is to be asked: token endpoints do not resolve, and what is loopback is closed.
    const odd = dice.oneIn(4)
      ? [dice.pick(['token', 'headers', 'refresh', 'bridge']), hostileText(dice).replaceAll('\0', '').slice(0, 5000)]
      : null;
    const words = odd ?? dice.pick(COMMANDS);
    try {
      const child = spawn(process.execPath, [SCRIPT, ...words, '--root', root.path], {
        env: BARE,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const [stdout, stderr, [code, signal]] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        once(child, 'close'),
      ]);
      const what = `${words.join(' ').slice(0, 80)}: ${stderr.slice(0, 500)}`;
      expect([0, 1, 2, 3], what).toContain(code);
      expect(signal, what).toBeNull();
      expect(stderr, what).not.toMatch(/\n {4}at |TypeError|RangeError|is not a function|Cannot read prop/);
      expect(stderr, what).not.toContain(SECRET);
      const log = root.full('token_refresher.log');
      if (existsSync(log)) expect(root.text('token_refresher.log')).not.toContain(SECRET);
      if (!['token', 'headers'].includes(words[0] ?? '')) expect(stdout).not.toContain(SECRET);
    } finally {
      rmSync(root.path, { recursive: true, force: true });
    }
  },
};
