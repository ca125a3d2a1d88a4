import { spawnSync } from 'node:child_process';
import { linkSync, statSync, utimesSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { FaultServer } from '../fixtures/fault-server.js';
import { dyingInPlace } from '../fixtures/preloads.js';
import { run, start } from '../fixtures/program.js';
import { Root } from '../fixtures/root.js';
import { MOUNTS, mount } from '../fixtures/small-root.js';

const NAME = 'fault-thing-egress.json';

const isWhole = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

describe('a write in place that is ended in the middle is made good by the next start', () => {
  const ways: [what: string, prepare: (root: Root, file: string) => void][] = [
    [
      'a mount of its own',
      (root, file) => {
        mount('--bind', root.full(file), root.full(file));
        onTestFinished(() => void spawnSync('umount', ['-l', root.full(file)]));
      },
    ],
    ['a file with another name', (root, file) => linkSync(root.full(file), root.full('another-name'))],
  ];
  describe.skipIf(!MOUNTS).each(ways)('%s', (_what, prepare) => {
    test.each(['.oauth-tokens', 'elsewhere'])('in %s', async (folder) => {
      const server = await FaultServer.start();
      const file = `${folder}/${NAME}`;
      const more = ['--once', '--token-files', 'elsewhere/*.json'];
      // The new content is shorter: it ends with the rest of the old one.
      const root = new Root().write(file, server.file({ access_token: 'x'.repeat(300) }));
      prepare(root, file);
      const { ino } = statSync(root.full(file));
      const dying = start(root.path, more, dyingInPlace(NAME));
      expect((await dying.ended).signal).toBe('SIGKILL');
      expect(isWhole(root.text(file))).toBe(false);
      // What is kept besides is another safety.
      root.remove('.token-refresher');
      expect(await run(root.path, more)).toMatchObject({ code: 0, stderr: '' });
      expect(root.json(file).refresh_token).toBe(server.newest);
      expect(statSync(root.full(file)).ino).toBe(ino);
      expect(server.asked).toHaveLength(1);
    });
  });
});

test('a file that somebody has broken stays as it is, whatever a process that died has left beside it', async () => {
  const file = `.oauth-tokens/${NAME}`;
  const temporary = `.oauth-tokens/.${NAME}.4194303.0a1b2c3d.token-refresher.tmp`;
  const root = new Root().write(temporary, { access_token: 'old' }).write(file, '{"access_token": "edited by hand"');
  const before = Date.now() / 1000 - 3600;
  utimesSync(root.full(temporary), before, before);
  expect((await run(root.path, ['--once'])).code).toBe(1);
  expect(root.text(file)).toBe('{"access_token": "edited by hand"');
  expect(root.has(temporary)).toBe(false);
});
