import { describe, expect, it } from 'vitest';
import { byChance } from '../fixtures/chance.js';
import { connect, errorOf, type Speech, type Way } from '../fixtures/mcp-client.js';
import {
  BAD_REQUEST,
  type Kind,
  McpFixture,
  NO_SESSION,
  type Refused,
  UNICODE,
  UNKNOWN_SESSION,
} from '../fixtures/mcp-server.js';
import { until } from '../fixtures/program.js';

// biome-ignore lint/suspicious/noExplicitAny: messages of every shape
type Json = any;

const WAYS: Way[] = ['directly', 'through the bridge'];
const failed = (error: Json): Json => ({ failed: errorOf(error) });
const methodsIn = (server: McpFixture): string[] => server.heard.flatMap(({ body }) => body?.method ?? []);
const times = (server: McpFixture, method: string): number => methodsIn(server).filter((one) => one === method).length;

/** The same on both ways: what it is. */
async function alike(kind: Kind, speech: Speech, run: (way: Way, server: McpFixture) => Promise<Json>): Promise<Json> {
  const outcomes: Json[] = [];
  for (const way of WAYS) outcomes.push(await run(way, await McpFixture.start(kind)));
  expect([speech, outcomes[1]]).toEqual([speech, outcomes[0]]);
  return outcomes[0];
}

describe('a client and a server of different eras', () => {
  const cases: [Speech, Kind, code: unknown][] = [
    ['1.x', 'modern', -32_022],
    ['2.x legacy', 'modern', -32_022],
    ['2.x pinned', 'sessions', 'ERA_NEGOTIATION_FAILED'],
    ['2.x pinned', 'sse', 'ERA_NEGOTIATION_FAILED'],
  ];
  it.each(cases)('client %s, server %s', async (speech, kind, code) => {
    const outcome = await alike(kind, speech, (way, server) => connect(speech, server, way).then(String, failed));
    expect(outcome).toEqual({ failed: expect.objectContaining({ code }) });
  });
});

describe('an answer that is an HTTP error', () => {
  const said = { code: -32_050, message: UNICODE, data: { why: UNICODE } };
  const bodies: [name: string, type: string, body: (id: Json) => string, error: (status: number) => object][] = [
    ['JSON-RPC', 'application/json', (id) => JSON.stringify({ jsonrpc: '2.0', id, error: said }), () => said],
    [
      'JSON-RPC without id',
      'application/json',
      () => JSON.stringify({ jsonrpc: '2.0', id: null, error: said }),
      () => said,
    ],
    [
      'HTML',
      'text/html',
      () => '<html><b>Bad ü</b></html>',
      (status) => ({ code: -32_000, message: `the server answers with HTTP ${status}: Bad ü` }),
    ],
    [
      'nothing',
      'text/plain',
      () => '',
      (status) => ({ code: -32_000, message: `the server answers with HTTP ${status}` }),
    ],
  ];
  it.each<[Kind, Speech]>([
    ['sessions', '1.x'],
    ['both', '2.x auto'],
  ])('server %s, client %s', async (kind, speech) => {
    const server = await McpFixture.start(kind);
    const peer = await connect(speech, server, 'through the bridge');
    for (const status of [400, 403, 404, 405, 500, 502]) {
      for (const [name, type, body, error] of bodies) {
        const before = times(server, 'tools/call');
        server.fault = {
          method: 'tools/call',
          answer: (response, { id }) => response.writeHead(status, { 'content-type': type }).end(body(id)),
        };
        const outcome = await peer.call('echo', { text: name }).catch(failed);
        const sent = times(server, 'tools/call') - before;
        // Only what a server says of an unknown session is followed by a new one, and the call sent once more.
        expect([status, name, outcome, sent]).toEqual([
          status,
          name,
          { failed: error(status) },
          status === 404 && kind === 'sessions' ? 2 : 1,
        ]);
      }
    }
    server.fault = null;
    expect((await peer.call('echo', { text: 'after' })).content).toEqual([{ type: 'text', text: 'after' }]);
  });

  it('that has nothing of MCP', async () => {
    const server = await McpFixture.start('both');
    const peer = await connect('1.x', server, 'through the bridge');
    const page = (response: Json): void =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<p>Sign in</p>');
    server.fault = { method: 'tools/call', answer: page };
    expect(await peer.call('echo', { text: '' }).catch(failed)).toEqual({
      failed: { code: -32_000, message: expect.stringContaining('text/html') },
    });
  });
});

describe('a session that the server forgets', () => {
  const cases: [Speech, words: string, Refused][] = [
    ['1.x', 'the specification', UNKNOWN_SESSION],
    ['1.x', 'the TypeScript SDK', NO_SESSION],
    ['1.x', 'the Python SDK', BAD_REQUEST],
    ['2.x auto', 'the specification', UNKNOWN_SESSION],
  ];
  it.each(cases)('is begun again, client %s, in the words of %s', async (speech, _, refused) => {
    const server = await McpFixture.start('sessions');
    const peer = await connect(speech, server, 'through the bridge');
    await until(() => server.listeners === 1, 'the stream');
    const [old] = server.sessions;
    server.forget(refused);
    const texts = Array.from({ length: 10 }, (_, n) => `${n}`);
    const results = await Promise.all(texts.map((text) => peer.call('echo', { text })));
    expect(results.map(({ content }) => content[0].text)).toEqual(texts);
    const greetings = server.heard.flatMap(({ body }) => (body?.method === 'initialize' ? [body.params] : []));
    expect(greetings).toEqual([greetings[0], greetings[0]]);
    expect(times(server, 'notifications/initialized')).toBe(2);
    const calls = server.heard.filter(({ body }) => body?.method === 'tools/call');
    expect(new Set(calls.map(({ headers }) => headers['mcp-protocol-version']))).toEqual(new Set(['2025-11-25']));
    expect(server.sessions).toHaveLength(1);
    expect(server.sessions).not.toContain(old);
    await until(() => server.listeners === 1, 'the stream of the new session');
    await server.announce('memo://new');
    await until(() => peer.heard.some(({ method }) => method === 'notifications/tools/list_changed'), 'what it says');
    const asked = await peer.call('ask', { method: 'roots/list', params: {} });
    expect(JSON.parse(asked.content[0].text).roots).toHaveLength(1);
  });

  it('is left for good, although a call that was cancelled there is never answered', async () => {
    const server = await McpFixture.start('sessions');
    const peer = await connect('1.x', server, 'through the bridge');
    await until(() => server.listeners === 1, 'the stream');
    const aborting = new AbortController();
    const call = peer.call('wait', { note: 'here' }, { signal: aborting.signal }).catch(failed);
    await until(() => server.saw.includes('waiting here'), 'the call');
    aborting.abort();
    await call;
    await until(() => server.saw.includes('cancelled here'), 'its end');
    const [old] = server.sessions;
    server.forget();
    await peer.call('echo', { text: '' });
    // Whoever came back for it, which is told to after 20 ms, would be here again and again meanwhile.
    const returns = (): number => server.heard.filter(({ headers }) => headers['mcp-session-id'] === old).length;
    const before = returns();
    for (let n = 0; n < 100; n += 1) {
      expect((await peer.call('echo', { text: `after ${n}` })).content).toEqual([{ type: 'text', text: `after ${n}` }]);
      await byChance(10);
    }
    expect(returns() - before).toBeLessThanOrEqual(2);
  });

  it.each(cases.slice(0, 3))(
    'ends the call that was under way there, client %s, in the words of %s',
    async (_, __, refused) => {
      const server = await McpFixture.start('sessions');
      const peer = await connect('1.x', server, 'through the bridge');
      const call = peer.call('progress', {}).catch(failed);
      await until(() => times(server, 'tools/call') === 1, 'the call');
      server.forget(refused);
      expect((await peer.call('echo', { text: 'after' })).content).toEqual([{ type: 'text', text: 'after' }]);
      expect(await call).toEqual({
        failed: { code: -32_000, message: expect.stringMatching(/may have been carried out/) },
      });
    },
  );

  it('is begun again with a later call when it cannot be begun at once', async () => {
    const server = await McpFixture.start('sessions');
    const peer = await connect('1.x', server, 'through the bridge');
    await until(() => server.listeners === 1, 'the stream');
    server.fault = { method: 'initialize', answer: (response) => response.writeHead(503).end('starting') };
    server.forget();
    const refused = { code: -32_000, message: 'the server answers with HTTP 503: starting' };
    expect(await peer.call('echo', { text: 'too early' }).catch(failed)).toEqual({ failed: refused });
    server.fault = null;
    expect((await peer.call('echo', { text: 'after' })).content).toEqual([{ type: 'text', text: 'after' }]);
    expect(server.sessions).toHaveLength(1);
  });
});

describe('a connection that breaks', () => {
  it('under a call of a session: its answer is fetched', async () => {
    const server = await McpFixture.start('sessions');
    const peer = await connect('1.x', server, 'through the bridge');
    const call = peer.call('progress', {});
    await until(() => times(server, 'tools/call') === 1, 'the call');
    server.cut();
    await until(() => server.heard.some(({ headers }) => headers['last-event-id']), 'the return');
    server.release();
    expect((await call).content).toEqual([{ type: 'text', text: 'done' }]);
    expect(times(server, 'tools/call')).toBe(1);
  });

  it.each<[Kind, Speech]>([
    ['both', '1.x'],
    ['both', '2.x auto'],
  ])('under a call without one: %s, %s', async (kind, speech) => {
    const server = await McpFixture.start(kind);
    const peer = await connect(speech, server, 'through the bridge');
    const call = peer.call('wait', { note: 'here' }).catch(failed);
    await until(() => server.saw.includes('waiting here'), 'the call');
    server.cut();
    expect(await call).toEqual({
      failed: { code: -32_000, message: expect.stringMatching(/may have been carried out/) },
    });
    expect((await peer.call('echo', { text: 'after' })).content).toEqual([{ type: 'text', text: 'after' }]);
    expect(server.saw.filter((line) => line === 'waiting here')).toHaveLength(1);
  });

  it('under a subscription: it ends', async () => {
    const outcome = await alike('modern', '2.x pinned', async (way, server) => {
      const { client } = await connect('2.x pinned', server, way);
      const subscription = await client.listen({ toolsListChanged: true });
      server.cut();
      return subscription.closed;
    });
    expect(outcome).toBe('remote');
  });

  it('that an old server speaks over: another session is begun', async () => {
    const server = await McpFixture.start('sse');
    const peer = await connect('1.x', server, 'through the bridge');
    const call = peer.call('wait', { note: 'here' }).catch(failed);
    await until(() => server.saw.includes('waiting here'), 'the call');
    server.cut();
    expect(await call).toEqual({
      failed: { code: -32_000, message: expect.stringMatching(/may have been carried out/) },
    });
    await until(() => times(server, 'notifications/initialized') === 2, 'the second session');
    expect((await peer.call('echo', { text: UNICODE })).content).toEqual([{ type: 'text', text: UNICODE }]);
    await until(() => server.sessions.length === 1, 'no other session is left');
    await server.announce('memo://new');
    await until(() => peer.heard.length > 0, 'what it says');
  });

  it('that an old server speaks over, while no session can be begun: none is left half begun', async () => {
    const server = await McpFixture.start('sse');
    const peer = await connect('1.x', server, 'through the bridge');
    await until(() => times(server, 'notifications/initialized') === 1, 'the session');
    server.fault = { method: 'initialize', answer: (response) => response.writeHead(503).end('starting') };
    server.cut();
    await until(() => times(server, 'initialize') === 2 && server.listeners === 0, 'the stream has been left');
    server.fault = null;
    expect((await peer.call('echo', { text: 'after' })).content).toEqual([{ type: 'text', text: 'after' }]);
    await until(() => server.sessions.length === 1, 'no other session is left');
  });
});

describe('arguments in headers', () => {
  it('of a tool that was never listed', async () => {
    const args = { region: UNICODE, deep: { count: 42 }, plain: 'x' };
    const outcome = await alike('modern', '2.x pinned', async (way, server) => {
      const peer = await connect('2.x pinned', server, way);
      const { content } = await peer.call('marked', args);
      const { headers } = server.heard.filter(({ body }) => body?.method === 'tools/call').at(-1) as Json;
      return { content, headers, methods: methodsIn(server) };
    });
    expect(JSON.parse(outcome.content[0].text)).toEqual(args);
    expect(outcome.headers).toMatchObject({ 'mcp-name': 'marked', 'mcp-param-count': '42' });
    expect(outcome.methods.slice(-4)).toEqual(['tools/call', 'tools/list', 'tools/list', 'tools/call']);
  });
});
