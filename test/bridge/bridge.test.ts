import { describe, expect, it, onTestFinished } from 'vitest';
import { sdkTransports } from '../../src/adapters/mcp/transports.js';
import { runBridge } from '../../src/bridge/bridge.js';
import { createCredentials } from '../../src/daemon/credentials.js';
import type { ClientChannel, Message, MessageId } from '../../src/ports/mcp.js';
import { appFor, FakeClock } from '../fixtures/app.js';
import { INITIALIZE } from '../fixtures/bridge-client.js';
import { FaultServer } from '../fixtures/fault-server.js';
import { bridgeRoot } from '../fixtures/mcp-client.js';
import { type Kind, McpFixture, NO_SESSION } from '../fixtures/mcp-server.js';
import { OddMcpServer } from '../fixtures/odd-mcp-server.js';
import { until } from '../fixtures/program.js';

const MODERN = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};

/** A bridge in this process; the client's end of it is in the test's hands, the server's is as ever. */
async function bridge(kind: Kind) {
  const server = await McpFixture.start(kind);
  const { app } = await appFor(bridgeRoot(server).path);
  const received: Message[] = [];
  const client: ClientChannel = {
    start: async () => undefined,
    send: async (message) => void received.push(message),
  };
  const ending = new AbortController();
  const transports = { ...sdkTransports(), client: () => client };
  const ended = runBridge({ transports, credentials: createCredentials(app, 'x', 0), clock: app.clock }, ending.signal);
  onTestFinished(() => ending.abort());
  const send = (message: object): void => void client.onmessage?.({ jsonrpc: '2.0', ...message });
  const answerTo = (id: MessageId): Promise<Message> =>
    until(() => received.find((one) => one.id === id && one.method === undefined), `the answer to ${id}`);
  return { server, received, client, ended, send, answerTo };
}

const call = (id: MessageId, name: string, args: object, more: object = {}): object => {
  return { id, method: 'tools/call', params: { name, arguments: args, ...more } };
};

it('a goodbye is said with what is at hand: nothing is spent for it', async () => {
  const issuer = await FaultServer.start();
  const server = await OddMcpServer.start();
  const clock = new FakeClock();
  const token = issuer.file({ provider: 'p', expires_at: clock.now() + 60 });
  const { app } = await appFor(server.root(token).path, { clock });
  const received: Message[] = [];
  const client: ClientChannel = {
    start: async () => undefined,
    send: async (message) => void received.push(message),
  };
  const transports = { ...sdkTransports(), client: () => client };
  const ended = runBridge(
    { transports, credentials: createCredentials(app, 'x', 0), clock },
    new AbortController().signal,
  );
  void client.onmessage?.({ jsonrpc: '2.0', ...INITIALIZE } as Message);
  await until(() => received.length === 1, 'the greeting');
  await app.refresher.settled();
  const asked = issuer.asked.length;
  clock.pass(100_000);
  client.onclose?.();
  await ended;
  expect(server.heard.at(-1)).toBe('DELETE');
  expect(server.authorizations.at(-1)).toMatch(/^Bearer made-up-access-/);
  await app.refresher.settled();
  expect(issuer.asked).toHaveLength(asked);
});

describe('the older era', () => {
  it.each(['sessions', 'sse'] as const)(
    '%s: begins a session, calls, and tells the server of the end',
    async (kind) => {
      const { server, client, ended, send, answerTo } = await bridge(kind);
      send(INITIALIZE);
      expect(await answerTo(1)).toMatchObject({ result: { protocolVersion: '2025-06-18' } });
      send({ method: 'notifications/initialized' });
      send(call('a', 'echo', { text: 'over the bridge' }));
      expect(await answerTo('a')).toMatchObject({ result: { content: [{ text: 'over the bridge' }] } });
      client.onclose?.();
      await ended;
      if (kind === 'sessions') await until(() => server.heard.some(({ http }) => http.startsWith('DELETE')), 'DELETE');
    },
  );

  it('begins the session anew that the server has forgotten, and the call is answered', async () => {
    const { server, send, answerTo, received } = await bridge('sessions');
    send(INITIALIZE);
    await answerTo(1);
    send({ method: 'notifications/initialized' });
    for (const [id, unknown] of [[2], [3, NO_SESSION]] as const) {
      server.forget(unknown);
      send(call(id, 'echo', { text: `call ${id}` }));
      expect(await answerTo(id)).toMatchObject({ result: { content: [{ text: `call ${id}` }] } });
    }
    expect(server.heard.filter(({ body }) => body?.method === 'initialize')).toHaveLength(3);
    expect(received.filter(({ id }) => id !== undefined).map(({ id }) => id)).toEqual([1, 2, 3]);
  });

  it('answers with what the server says where that is no message', async () => {
    const { server, send, answerTo } = await bridge('both');
    send(INITIALIZE);
    await answerTo(1);
    server.fault = {
      method: 'tools/call',
      answer: (response) => response.writeHead(502).end('<html><b>Bad</b> gateway for Bearer made-up-echo</html>'),
    };
    send(call(2, 'echo', { text: '' }));
    expect(await answerTo(2)).toMatchObject({
      error: { code: -32_000, message: 'the server answers with HTTP 502: Bad gateway for Bearer [redacted]' },
    });
  });
});

describe('the newer era', () => {
  it('repeats marked arguments as headers, also of a tool that was never listed', async () => {
    const { server, send, answerTo } = await bridge('modern');
    send({ id: 1, method: 'server/discover', params: { _meta: MODERN } });
    expect(await answerTo(1)).toMatchObject({ result: { supportedVersions: ['2026-07-28'] } });
    const args = { region: 'eu-west-1', deep: { count: 42 } };
    for (const id of [2, 3]) {
      send(call(id, 'marked', args, { _meta: MODERN }));
      const { result } = await answerTo(id);
      expect(result).toMatchObject({ content: [{ text: expect.stringContaining('eu-west-1') }] });
      expect(server.heard.at(-1)?.headers).toMatchObject({ 'mcp-name': 'marked', 'mcp-param-count': '42' });
    }
    const methods = server.heard.map(({ body }) => body?.method);
    expect(methods).toEqual(['server/discover', 'tools/call', 'tools/list', 'tools/list', 'tools/call', 'tools/call']);
  });

  it('ends the stream of a request that is cancelled, and answers it no more', async () => {
    const { server, send, received } = await bridge('modern');
    send(call(1, 'wait', { note: 'here' }, { _meta: MODERN }));
    await until(() => server.saw.includes('waiting here'), 'the call');
    send({ method: 'notifications/cancelled', params: { requestId: 1, _meta: MODERN } });
    await until(() => server.saw.some((line) => line.startsWith('cancelled')), 'that the server notices');
    expect(received).toEqual([]);
  });
});

describe('without credentials', () => {
  it.each([
    ['the definition is gone', 'registry/servers/x.json', /there is no server "x" any more/],
    ['the token is gone', '.oauth-tokens/p-x-egress.json', /there is no token of p; run: token-refresher login x/],
  ])('%s: says so', async (_, file, message) => {
    const server = await McpFixture.start('both');
    const root = bridgeRoot(server);
    const { app } = await appFor(root.path);
    root.remove(file);
    await expect(createCredentials(app, 'x', 0).current()).rejects.toThrow(message);
  });
});
