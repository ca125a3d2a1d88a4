import { expect, it } from 'vitest';
import { settingsOf, UsageError } from '../../src/cli/options.js';
import { parseCall } from '../../src/cli/parse.js';
import { isLoopbackName } from '../../src/ground/api-settings.js';

async function apiOf(args: readonly string[], environment: Record<string, string> = {}) {
  const parsed = await parseCall(args, '0.0.0', 80);
  if (parsed.kind === 'help') throw new Error('help was asked for');
  return settingsOf('/tmp', parsed.flags, environment).api;
}

const tcp = (host: string, port: number) => ({ listen: { kind: 'tcp', host, port }, hosts: [], open: false });

it.each([
  [[], null],
  [['--api'], tcp('127.0.0.1', 7071)],
  [['--api', '--once'], tcp('127.0.0.1', 7071)],
  [['--api', '8080'], tcp('127.0.0.1', 8080)],
  [['--api=localhost:8080'], tcp('localhost', 8080)],
  [['--api', '[::1]:8080'], tcp('::1', 8080)],
  [['--api', 'unix:/run/a.sock'], { listen: { kind: 'unix', path: '/run/a.sock' }, hosts: [], open: false }],
  [['--api', '--api-open'], { ...tcp('127.0.0.1', 7071), open: true }],
  [
    ['--api', '0.0.0.0:80', '--api-public', '--api-host', 'a', '--api-host', 'b'],
    { ...tcp('0.0.0.0', 80), hosts: ['a', 'b'] },
  ],
])('%j', async (args, api) => {
  expect(await apiOf(args)).toEqual(api);
});

it('is asked for by the environment as well', async () => {
  expect(await apiOf([], { TOKEN_API: '8080' })).toEqual(tcp('127.0.0.1', 8080));
  expect(await apiOf(['--api', '8081'], { TOKEN_API: '8080' })).toEqual(tcp('127.0.0.1', 8081));
  await expect(apiOf([], { TOKEN_API: '0.0.0.0:80' })).rejects.toThrow(UsageError);
});

it.each(['127.0.0.1', '127.255.0.9', '::1', '[::1]', 'localhost'])('%s is this machine', (host) => {
  expect(isLoopbackName(host)).toBe(true);
});

it.each([
  '0.0.0.0',
  '::',
  '128.0.0.1',
  '127.0.0.1.example.com',
  'localhost.example.com',
  'xlocalhost',
  '::ffff:8.8.8.8',
  '',
])('%s is not', (host) => {
  expect(isLoopbackName(host)).toBe(false);
});
