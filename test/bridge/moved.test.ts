import { describe, expect, it } from 'vitest';
import { holdBridge } from '../fixtures/bridge-in-process.js';
import { bridgeRoot } from '../fixtures/mcp-client.js';
import { type Kind, McpFixture, TOKEN } from '../fixtures/mcp-server.js';
import { until } from '../fixtures/program.js';
import { LATER } from '../fixtures/registry.js';

const DEFINITION = 'registry/servers/x.json';
const TOKEN_FILE = '.oauth-tokens/p-x-egress.json';
const OLD = 'made-up-old-token';
const clientInfo = { name: 'test', version: '1' };
const initialize = { method: 'initialize', params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo } };
const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': clientInfo,
  'io.modelcontextprotocol/clientCapabilities': {},
};
const call = (id: number, text: string, more: object = {}): object => {
  return { id, method: 'tools/call', params: { name: 'echo', arguments: { text }, ...more } };
};
const sent = (server: McpFixture, header = 'authorization') => server.heard.map(({ headers }) => headers[header]);

/** Two servers that say what they are sent; the definition leads to the first. */
async function scene(kind: Kind) {
  const [first, second] = [await McpFixture.start(kind, OLD), await McpFixture.start(kind)];
  const root = bridgeRoot(first).write(TOKEN_FILE, { provider: 'p', access_token: OLD, expires_at: LATER });
  const move = (headers: object[] = []): void => {
    root.write(DEFINITION, { ...root.json(DEFINITION), mcp_endpoint: second.url, headers });
    root.write(TOKEN_FILE, { provider: 'p', access_token: TOKEN, expires_at: LATER });
  };
  return { first, second, root, move, bridge: await holdBridge(root.path, 'x') };
}

describe('a definition that names another origin', () => {
  it.each<[Kind, modern: boolean]>([
    ['sessions', false],
    ['sse', false],
    ['both', true],
  ])('is followed without a restart, and no token goes where it does not belong: %s', async (kind, modern) => {
    const { first, second, move, bridge } = await scene(kind);
    const more = modern ? { _meta: META } : {};
    if (!modern) {
      bridge.send({ id: 1, ...initialize });
      await bridge.answerTo(1);
      bridge.send({ method: 'notifications/initialized' });
    }
    bridge.send(call(2, 'before', more));
    expect(await bridge.answerTo(2)).toMatchObject({ result: { content: [{ text: 'before' }] } });
    move();
    bridge.clock.pass(3);
    bridge.send(call(3, 'after', more));
    bridge.send(call(4, 'and again', more));
    expect(await bridge.answerTo(3)).toMatchObject({ result: { content: [{ text: 'after' }] } });
    expect(await bridge.answerTo(4)).toMatchObject({ result: { content: [{ text: 'and again' }] } });
    expect(new Set(sent(first))).toEqual(new Set([`Bearer ${OLD}`]));
    expect(new Set(sent(second))).toEqual(new Set([`Bearer ${TOKEN}`]));
    // The session is one of its own, begun in the client's words.
    const greetings = second.heard.filter(({ body }) => body?.method === 'initialize');
    expect(greetings).toHaveLength(modern ? 0 : 1);
    if (!modern) expect(greetings[0]?.body.params.clientInfo).toEqual(clientInfo);
    expect(second.heard[0]?.headers['mcp-session-id']).toBeUndefined();
    expect(sent(second, 'last-event-id').filter((value) => value !== undefined)).toEqual([]);
  });

  it('gets the headers that it has, and none of the one before', async () => {
    const { second, root, move, bridge } = await scene('sessions');
    root.write(DEFINITION, { ...root.json(DEFINITION), headers: [{ 'Last-Event-Id': 'of-the-first' }] });
    bridge.send({ id: 1, ...initialize });
    await bridge.answerTo(1);
    move([{ 'Mcp-Name': 'of-the-second' }]);
    bridge.clock.pass(3);
    bridge.send(call(2, 'after'));
    await bridge.answerTo(2);
    expect(sent(second, 'last-event-id').filter((value) => value !== undefined)).toEqual([]);
    expect(new Set(sent(second, 'mcp-name'))).toEqual(new Set(['of-the-second']));
  });

  it('is followed by the stream for what the server says by itself, when that is opened again', async () => {
    const { first, second, move, bridge } = await scene('sessions');
    bridge.send({ id: 1, ...initialize });
    await bridge.answerTo(1);
    bridge.send({ method: 'notifications/initialized' });
    await until(() => first.streams === 1, 'the stream');
    move();
    bridge.clock.pass(3);
    first.cut();
    await until(() => second.streams === 1, 'the stream at the second');
    await second.announce('memo://text');
    await until(() => bridge.received.some(({ method }) => method === 'notifications/of-its-own'), 'what it says');
    expect(new Set(sent(first))).toEqual(new Set([`Bearer ${OLD}`]));
    // One session there is enough: what is left of the first begins none.
    bridge.send(call(2, 'after'));
    await bridge.answerTo(2);
    expect(second.heard.filter(({ body }) => body?.method === 'initialize')).toHaveLength(1);
  });

  it('is followed also to another path of the same origin', async () => {
    const { first, root, bridge } = await scene('sessions');
    bridge.send({ id: 1, ...initialize });
    await bridge.answerTo(1);
    root.write(DEFINITION, { ...root.json(DEFINITION), mcp_endpoint: first.url.replace('/mcp', '/v2/mcp') });
    bridge.clock.pass(3);
    bridge.send(call(2, 'after'));
    expect(await bridge.answerTo(2)).toMatchObject({ result: { content: [{ text: 'after' }] } });
    expect(first.heard.filter(({ body }) => body?.method === 'initialize')).toHaveLength(2);
  });

  it.each([
    ['another port', (url: URL) => Object.assign(url, { port: '1' })],
    ['another scheme', (url: URL) => new URL(url.href.replace('http:', 'https:'))],
    ['another host', (url: URL) => Object.assign(url, { hostname: 'nowhere.invalid' })],
  ])('that cannot be reached: the one before is not sent anything either: %s', async (_, change) => {
    const { first, root, bridge } = await scene('sessions');
    bridge.send({ id: 1, ...initialize });
    await bridge.answerTo(1);
    root.write(DEFINITION, { ...root.json(DEFINITION), mcp_endpoint: change(new URL(first.url)).href });
    root.write(TOKEN_FILE, { provider: 'p', access_token: TOKEN, expires_at: LATER });
    bridge.clock.pass(3);
    const before = first.heard.length;
    bridge.send(call(2, 'after'));
    expect(await bridge.answerTo(2)).toMatchObject({ error: { message: expect.any(String) } });
    expect(first.heard.slice(before)).toEqual([]);
  });
});
