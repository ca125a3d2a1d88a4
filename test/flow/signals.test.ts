import type { ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { INITIALIZE, speak } from '../fixtures/bridge-client.js';
import { FaultServer, type Issued } from '../fixtures/fault-server.js';
import { startLoginProcess } from '../fixtures/login.js';
import { start, until } from '../fixtures/program.js';
import { Root } from '../fixtures/root.js';

const FILE = '.oauth-tokens/fault-thing-egress.json';
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** A root whose token is due, and a server that keeps its answer until it is told. */
async function scene() {
  const root = new Root();
  const server = await FaultServer.start();
  root.write(FILE, server.file());
  root.write('registry/servers/thing.json', {
    server_name: 'thing',
    path: '/thing',
    mcp_endpoint: 'http://127.0.0.1:9/mcp',
    auth_type: 'oauth',
    auth_provider: 'fault',
  });
  let answer: (() => void) | null = null;
  server.next.push({
    rotates: true,
    answer(response: ServerResponse, issued: Issued) {
      answer = () => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(issued));
    },
  });
  return { root, server, answer: () => until(() => answer, 'a request') };
}

/** The log says so once the signal has been understood. */
function heard(root: Root): Promise<boolean> {
  const said = (): boolean =>
    root.has('token_refresher.log') && /finishing what is in flight \(1\)/.test(root.text('token_refresher.log'));
  return until(said, 'the signal');
}

/** To the daemon SIGHUP means to look again. */
const ENDED_BY_ALL: [string, readonly string[]][] = [
  ['token', ['token', 'fault-thing']],
  ['refresh', ['refresh', 'fault-thing']],
  ['headers', ['headers', 'thing']],
];
const ENDED_BY_SOME: [string, readonly string[]][] = [
  ['--once', ['--once']],
  ['the daemon', []],
];

describe.each(SIGNALS)('%s while an answer is under way', (signal) => {
  test.each([...ENDED_BY_ALL, ...(signal === 'SIGHUP' ? [] : ENDED_BY_SOME)])(
    'at %s: it is saved, and then the process ends',
    async (_name, args) => {
      const { root, server, answer } = await scene();
      const { process: child, ended } = start(root.path, args);
      const release = await answer();
      child.kill(signal);
      await heard(root);
      release();
      await ended;
      expect(root.json(FILE).refresh_token).toBe(server.newest);
      expect(server.asked).toHaveLength(1);
    },
  );

  test('at the bridge: it is saved, and then the process ends', async () => {
    const { root, server, answer } = await scene();
    const { process: child, send, ended } = speak(root.path, 'thing');
    send(INITIALIZE);
    const release = await answer();
    child.kill(signal);
    await heard(root);
    release();
    await ended;
    expect(root.json(FILE).refresh_token).toBe(server.newest);
    expect(server.asked).toHaveLength(1);
  });

  test('at a login: what the code has brought is saved, and then the process ends', async () => {
    const { root, server, answer } = await scene();
    root.remove(FILE);
    root.write('registry/providers/fault.json', {
      provider: 'fault',
      authorization_endpoint: server.url.replace('/token', '/authorize'),
      token_endpoint: server.url,
      environment: { client_id: 'FAULT_CLIENT_ID', client_secret: 'FAULT_CLIENT_SECRET' },
    });
    const environment = { FAULT_CLIENT_ID: 'client-1', FAULT_CLIENT_SECRET: 'made-up-client-secret' };
    const login = startLoginProcess(root, ['login', 'fault', '--no-browser'], environment);
    const address = new URL(await login.address);
    const back = new URL(address.searchParams.get('redirect_uri') ?? '');
    back.searchParams.set('code', 'made-up-code');
    back.searchParams.set('state', address.searchParams.get('state') ?? '');
    const page = fetch(back).catch(() => undefined);
    const release = await answer();
    login.process.kill(signal);
    await heard(root);
    release();
    await login.ended;
    await page;
    expect(root.json('.oauth-tokens/fault.json').access_token).toMatch(/^made-up-access/);
    expect(server.asked.map(({ parameters }) => parameters.grant_type)).toEqual(['authorization_code']);
  });
});
