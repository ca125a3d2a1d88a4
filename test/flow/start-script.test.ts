import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SCRIPT as PROGRAM, run } from '../fixtures/program.js';
import { define, open } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';
import { CTRL_C, hasTerminals, Terminal } from '../fixtures/terminal.js';

const SCRIPT = fileURLToPath(new URL('../../start_token_refresher.sh', import.meta.url));

/** The script on a terminal, as somebody calls it from another folder; what it started is ended with the test. */
function startScript(root: Root): Terminal {
  onTestFinished(() => void spawnSync(process.execPath, [PROGRAM, 'stop', '--root', root.path]));
  return new Terminal(new Root(), [SCRIPT], { TOKEN_REFRESHER_ROOT: root.path, PATH: process.env.PATH ?? '' });
}

const pidOf = (screen: string): string | undefined => /started, PID (\d+)/.exec(screen)?.[1];

describe.skipIf(!hasTerminals)('the start script on a terminal, through its link', () => {
  test('starts, says what was found, and asks before it replaces what runs', async () => {
    const root = new Root();
    define(root, 'thing.json', open('thing'));
    const first = startScript(root);
    await first.sees(`for ${root.path}`);
    await first.sees(`log:      ${root.path}/token_refresher.log`);
    await first.sees('found:    0 tokens, 1 servers (thing)');
    await first.sees('stop:');
    expect(await first.ended).toMatchObject({ code: 0 });
    const pid = pidOf(first.screen);

    for (const answer of ['n\r', '\r', CTRL_C]) {
      const refused = startScript(root);
      await refused.sees(`is running for ${root.path} already, PID ${pid}.`);
      await refused.sees('Replace it? [y/N] ');
      refused.type(answer);
      expect((await refused.ended).code).toBe(answer === CTRL_C ? 130 : 3);
    }
    const replaced = startScript(root);
    await replaced.answers('Replace it? [y/N] ', 'y');
    await replaced.sees('token-refresher started, PID');
    expect(await replaced.ended).toMatchObject({ code: 0 });
    expect(pidOf(replaced.screen)).not.toBe(pid);
    const { stdout } = await run(root.path, ['status', '--json']);
    expect(String(JSON.parse(stdout).instance.pid)).toBe(pidOf(replaced.screen));
  });
});
