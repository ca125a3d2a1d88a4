import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, it } from 'vitest';
import { byChance } from '../fixtures/chance.js';
import { FaultServer } from '../fixtures/fault-server.js';
import { run, start, until } from '../fixtures/program.js';
import { randomFrom } from '../fixtures/random.js';
import { define, egress, open } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';

const ROUNDS = Number(process.env.KILL_ROUNDS ?? 20);
const SEED = Number(process.env.KILL_SEED ?? randomInt(2 ** 31));
const OUTPUTS = ['mcp.json', 'vscode_mcp.json', 'roo_mcp.json'];

/** The whole of a file at once, as careful writers of inputs do it. */
function put(root: Root, path: string, content: object): void {
  writeFileSync(root.full(`${path}.swap`), JSON.stringify(content));
  renameSync(root.full(`${path}.swap`), root.full(path));
}

/** Files that are not complete JSON, temporary ones and locks aside. */
function torn(root: Root): string[] {
  const files = readdirSync(root.path, { recursive: true }).map(String);
  return files.filter((file) => {
    if (!file.endsWith('.json') || basename(file).startsWith('.')) return false;
    try {
      JSON.parse(readFileSync(join(root.path, file), 'utf8'));
      return false;
    } catch {
      return true;
    }
  });
}

function restorations(root: Root): number {
  const log = root.has('token_refresher.log') ? root.text('token_refresher.log') : '';
  return log.split('its successor is back').length - 1;
}

it(`kill -9 at any moment leaves every file whole, and the next start needs no help (seed ${SEED}, ${ROUNDS} times)`, {
  timeout: 180_000 + ROUNDS * 5000,
}, async () => {
  const random = randomFrom(SEED);
  const root = new Root();
  const [tokenPath] = egress('acme', 'closed', '');
  define(root, 'closed.json', { ...open('closed'), auth_type: 'oauth', auth_provider: 'acme' });
  define(root, 'open.json', open('open'));
  root.write(tokenPath, egress('acme', 'closed', 'first')[1]);

  const server = await FaultServer.start();
  server.temper = 'graceful'; // a strict one ends the family when an answer is lost, which no care can prevent
  server.delay = 10;
  root.write('.oauth-tokens/rotating.json', server.file());

  const troubles: string[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const { process, ended } = start(root.path, ['--force']);
    const least = 5 + random() * 40;
    // Every other time it is struck around an answer, on however slow a machine.
    const asked = round % 2 === 0 ? 0 : server.asked.length + 1;
    // What the one before had put in safety, and no further, is put in its place, and nothing is asked for.
    const restored = restorations(root);
    const isAnswered = (): boolean => server.asked.length >= asked || restorations(root) > restored;
    // Inputs change all the while, so that the daemon is writing when it is struck.
    for (let n = 0; n < least || !isAnswered(); n += 1) {
      put(root, 'registry/servers/open.json', { ...open('open'), mcp_endpoint: `http://open.test/${round}/${n}/mcp` });
      put(root, tokenPath, egress('acme', 'closed', `access-${round}-${n}`)[1]);
      await byChance(20, random);
    }
    process.kill('SIGKILL');
    const { signal, stderr } = await ended;
    if (signal !== 'SIGKILL' || stderr !== '') troubles.push(`round ${round}: ${signal} ${stderr}`);
    troubles.push(...torn(root).map((file) => `round ${round}: ${file} is torn`));
  }

  expect(troubles).toEqual([]);
  expect(server.asked.length).toBeGreaterThanOrEqual(Math.floor(ROUNDS / 2));
  define(root, 'open.json', { ...open('open'), mcp_endpoint: 'http://open.test/last/mcp' });
  expect(await run(root.path, ['refresh', 'rotating', '--force'])).toMatchObject({ code: 0, stderr: '' });
  expect(root.json('.oauth-tokens/rotating.json').refresh_token).toBe(server.newest);
  expect(await run(root.path, ['--once'])).toMatchObject({ code: 0, stderr: '' });
  for (const output of OUTPUTS) expect(root.text(`.oauth-tokens/${output}`)).toContain('http://open.test/last/mcp');
  const { process, ended } = start(root.path);
  await until(() => root.has('token_refresher.pid'), 'a daemon');
  process.kill('SIGTERM');
  expect(await ended).toMatchObject({ code: 0 });
  const left = readdirSync(root.path, { recursive: true }).map(String);
  expect(left.filter((file) => file.endsWith('.tmp'))).toEqual([]);
});
