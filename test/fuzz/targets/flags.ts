import { expect } from 'vitest';
import { logOptionsOf, settingsOf, UsageError } from '../../../src/cli/options.js';
import { parseCall } from '../../../src/cli/parse.js';
import { hostileText, SECRET } from '../hostile.js';
import type { Target } from '../target.js';

const COMMANDS = [
  'run',
  'status',
  'token',
  'headers',
  'bridge',
  'refresh',
  'validate',
  'render',
  'link',
  'setup',
  'login',
];
const FLAGS = [
  'root',
  'interval',
  'buffer',
  'log-level',
  'log-file',
  'log-max-size',
  'registry-url',
  'delivery',
  'outputs',
];
const MORE_FLAGS = ['token-files', 'on-change', 'api', 'api-host', 'once', 'force', 'json', 'help', 'version', 'scope'];
const ENVIRONMENT = ['TOKEN_REFRESH_INTERVAL', 'LOG_LEVEL', 'LOG_FORMAT', 'LOG_FILE', 'REGISTRY_URL', 'TOKEN_DELIVERY'];
const MORE_ENVIRONMENT = [
  'TOKEN_FILES',
  'ON_CHANGE',
  'TOKEN_API',
  'REDIS_HOST',
  'REDIS_PORT',
  'REDIS_SHARED',
  'CLIENT_COMMAND',
];

/** Command lines and settings: understood, or a usage error. */
export const flags: Target = {
  name: 'flags',
  weight: 3,
  async run(dice) {
    const value = (): string =>
      dice.pick([hostileText(dice), '5', '10k', 'http://g.example', 'json', 'http', '-', 'a']);
    const word = (): string[] => {
      const name = dice.pick([...FLAGS, ...MORE_FLAGS, hostileText(dice)]);
      return dice.pick([
        [value()],
        [`--${name}`],
        [`--${name}=${value()}`],
        [`--${name}`, value()],
        [`--no-${name}`],
        ['--'],
      ]);
    };
    const argv = [dice.pick([...COMMANDS, value()]), ...dice.some([1, 2, 3, 4]).flatMap(word)];
    const parsed = await usage(() => parseCall(argv, '0', 80));
    const given = parsed?.kind === 'call' ? parsed.flags : {};
    const names = dice.some([...ENVIRONMENT, ...MORE_ENVIRONMENT]);
    const environment = { ...Object.fromEntries(names.map((name) => [name, value()])), REDIS_PASSWORD: SECRET };
    await usage(async () => settingsOf('/', given, environment));
    await usage(async () => logOptionsOf('/', given, environment, dice.oneIn(2)));
  },
};

async function usage<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    expect(error.message).not.toContain(SECRET);
    return null;
  }
}
