import { describe, expect, it } from 'vitest';
import { connect, errorOf, type Peer, type Speech, type Way } from '../fixtures/mcp-client.js';
import { digest, type Kind, McpFixture, UNICODE } from '../fixtures/mcp-server.js';
import { until } from '../fixtures/program.js';

// biome-ignore lint/suspicious/noExplicitAny: messages of every shape
type Json = any;

interface Setting {
  readonly peer: Peer;
  readonly server: McpFixture;
}

const MB = 1024 * 1024;
const VERSION = 'io.modelcontextprotocol/protocolVersion';

/** With 1.x, a page; with 2.x, which walks them, all. */
async function pages(list: (params?: Json) => Promise<Json>): Promise<Json[]> {
  const first = await list();
  return first.nextCursor === undefined ? [first] : [first, await list({ cursor: first.nextCursor })];
}

/** What the server says unasked, however the protocol has it. */
async function announcements({ peer, server }: Setting): Promise<Json> {
  const uri = 'memo://text';
  const modern = peer.client.getProtocolEra?.() === 'modern';
  const filter = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true };
  const subscription = modern ? await peer.client.listen({ ...filter, resourceSubscriptions: [uri] }) : null;
  if (!modern) await peer.client.subscribeResource({ uri });
  await until(() => server.listeners > 0, 'somebody listens');
  peer.heard.length = 0;
  await server.announce(uri);
  await until(() => peer.heard.length >= (modern ? 4 : 5), 'what was announced');
  const heard = peer.heard
    .map(({ method, params }) => ({ method, uri: params?.uri }))
    .sort((a, b) => (a.method < b.method ? -1 : 1));
  await subscription?.close();
  if (modern) await until(() => server.listeners === 0, 'the subscription has ended');
  else await peer.client.unsubscribeResource({ uri });
  return { heard, honoured: subscription?.honoredFilter, saw: server.saw.filter((line) => line.includes(uri)) };
}

async function cancellation({ peer, server }: Setting): Promise<Json> {
  const aborting = new AbortController();
  const call = peer
    .call('wait', { note: 'ä' }, { signal: aborting.signal })
    .catch((error) => ({ rejected: error.name }));
  await until(() => server.saw.includes('waiting ä'), 'the call');
  aborting.abort();
  await until(() => server.saw.includes('cancelled ä'), 'its end');
  expect(await call).toEqual({ rejected: expect.any(String) });
  return (await peer.call('echo', { text: 'after' })).content;
}

async function large(result: Promise<Json>): Promise<Json> {
  const [content] = (await result).content;
  return { type: content.type, of: digest(content.text ?? content.data) };
}

async function parallel({ peer }: Setting): Promise<Json> {
  return Promise.all(Array.from({ length: 30 }, async (_, n) => (await peer.call('echo', { text: `${n} ä` })).content));
}

async function notified({ peer, server }: Setting, method: string): Promise<Json> {
  await peer.tell(method, { note: UNICODE });
  return until(() => server.saw.find((line) => line.startsWith(method)), 'the notification');
}

type Needs = 'legacy' | 'modern' | 'session' | 'any';
/** A request of the server's: where it can ask, the client's answer comes back in the result. */
const asking =
  (method: string, params: object, answer: object = expect.anything()) =>
  async ({ peer, server }: Setting): Promise<Json> => {
    const result = await peer.call('ask', { method, params });
    const stateless = server.kind === 'both' && peer.client.getProtocolEra?.() !== 'modern';
    if (!stateless) expect(JSON.parse(result.content[0].text)).toMatchObject(answer);
    return result;
  };

/** What is done, where it means anything, and the code of the error that it brings. */
const CASES: [name: string, run: (setting: Setting) => Promise<Json>, needs?: Needs, code?: number][] = [
  [
    'capabilities',
    async ({ peer: { client } }) => [
      client.getServerCapabilities(),
      client.getServerVersion(),
      client.getInstructions(),
    ],
  ],
  ['ping', ({ peer }) => peer.client.ping(), 'legacy'],
  ['discover', ({ peer }) => peer.client.discover(), 'modern'],
  ['tools/list', ({ peer }) => pages((params) => peer.client.listTools(params))],
  ['a page that is not there', ({ peer }) => peer.client.listTools({ cursor: 'ö' }), 'any', -32_602],
  ['tools/call', ({ peer }) => peer.call('echo', { text: UNICODE })],
  ['a tool that fails', ({ peer }) => peer.call('fail', { text: UNICODE })],
  ['a tool that is not there', ({ peer }) => peer.call('nothing', {}), 'any', -32_602],
  ['resources/list', ({ peer }) => pages((params) => peer.client.listResources(params))],
  ['templates', ({ peer }) => peer.client.listResourceTemplates()],
  ['a text', ({ peer }) => peer.client.readResource({ uri: 'memo://text' })],
  ['a blob', ({ peer }) => peer.client.readResource({ uri: 'memo://image' })],
  ['a resource that is not there', ({ peer }) => peer.client.readResource({ uri: 'memo://ä' }), 'any', -32_602],
  ['prompts/list', ({ peer }) => pages((params) => peer.client.listPrompts(params))],
  ['prompts/get', ({ peer }) => peer.client.getPrompt({ name: 'greet', arguments: { who: 'Ä' } })],
  [
    'completion',
    ({ peer }) =>
      peer.client.complete({ ref: { type: 'ref/prompt', name: 'greet' }, argument: { name: 'who', value: 'ö' } }),
  ],
  ['a method that nobody knows', ({ peer }) => peer.ask('test/nothing', { note: UNICODE }), 'any', -32_601],
  ['a notification that nobody knows', (setting) => notified(setting, 'notifications/of-the-test')],
  ['roots have changed', (setting) => notified(setting, 'notifications/roots/list_changed'), 'session'],
  ['logging/setLevel', ({ peer }) => peer.client.setLoggingLevel('debug'), 'legacy'],
  [
    'log messages',
    async ({ peer }) => {
      peer.heard.length = 0;
      const { content } = await peer.call('log', { _: 1 });
      await until(() => peer.heard.length >= 2, 'both messages');
      return { content, heard: peer.heard.map(({ method, params }) => ({ method, ...params })) };
    },
  ],
  [
    'progress',
    async ({ peer, server }) => {
      const steps: Json[] = [];
      const call = peer.call('progress', {}, { onprogress: (step: Json) => steps.push(step) });
      await until(() => steps.length >= 3, 'three steps');
      server.release();
      return { steps, content: (await call).content };
    },
  ],
  [
    'sampling',
    asking(
      'sampling/createMessage',
      { maxTokens: 5, messages: [{ role: 'user', content: { type: 'text', text: 'ß' } }] },
      { content: { text: `ß ${UNICODE}` } },
    ),
  ],
  [
    'elicitation',
    asking(
      'elicitation/create',
      { message: 'ß', requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } },
      { action: 'accept', content: { name: `ß ${UNICODE}` } },
    ),
  ],
  ['roots', asking('roots/list', {}, { roots: [{ name: UNICODE }] })],
  ['a request that the client does not know', asking('test/nothing', {}, { code: -32_601 }), 'session'],
  ['arguments in headers', ({ peer }) => peer.call('marked', { region: UNICODE, deep: { count: 42 }, plain: 'x' })],
  ['no such arguments', ({ peer }) => peer.call('marked', { plain: 'x' })],
  ['cancellation', cancellation, 'session'],
  ['cancellation by the end of the stream', cancellation, 'modern'],
  ['announcements', announcements, 'session'],
  ['subscriptions/listen', announcements, 'modern'],
  [
    'a stream that is taken up again',
    async ({ peer, server }) => {
      const { content } = await peer.call('polling', {});
      const returned = server.heard.some(({ headers }) => headers['last-event-id'] !== undefined);
      expect(returned).toBe(server.kind === 'sessions');
      return content;
    },
    'session',
  ],
  ['5 MB of text', ({ peer }) => large(peer.call('big', { length: 2.5 * MB }))],
  ['5 MB of bytes', ({ peer }) => large(peer.call('image', { length: 5 * MB }))],
  ['a 5 MB argument', ({ peer }) => peer.call('digest', { text: 'ß'.repeat(2.5 * MB) })],
  ['30 calls at once', parallel],
];

/** Every case that applies, and the words the server heard for it. */
async function walk(speech: Speech, kind: Kind, way: Way): Promise<Json> {
  const server = await McpFixture.start(kind);
  const peer = await connect(speech, server, way);
  const modern = peer.client.getProtocolEra?.() === 'modern';
  const has: Record<Needs, boolean> = {
    any: true,
    modern,
    legacy: !modern,
    session: kind === 'sessions' || kind === 'sse',
  };
  const greeted = (): boolean => server.heard.some(({ body }) => body?.method === 'notifications/initialized');
  await until(() => modern || greeted(), 'the handshake');
  const outcomes: Record<string, Json> = {};
  for (const [name, run, , code] of CASES.filter(([, , needs = 'any']) => has[needs])) {
    const from = server.heard.length;
    const outcome = await run({ peer, server }).then(
      (result) => ({ result }),
      (error) => ({ error: errorOf(error) }),
    );
    expect([way, name, outcome]).toEqual([
      way,
      name,
      code === undefined ? { result: expect.anything() } : { error: expect.objectContaining({ code }) },
    ]);
    const posts = server.heard
      .slice(from)
      .filter(({ http, body }) => http === 'POST' && body.method !== 'notifications/cancelled');
    const heard = posts
      .map(({ headers, body }) => ({
        headers: { ...headers, 'mcp-session-id': 'mcp-session-id' in headers },
        version: body.params?._meta?.[VERSION],
        method: body.method,
      }))
      .map((it) => JSON.stringify(it))
      .sort();
    outcomes[name] = { ...outcome, heard };
  }
  expect(server.rejected).toBe(0);
  return outcomes;
}

const PAIRS: [speech: Speech, kind: Kind][] = [
  ['1.x', 'sessions'],
  ['2.x legacy', 'sessions'],
  ['2.x auto', 'sessions'],
  ['1.x', 'sse'],
  ['2.x legacy', 'sse'],
  ['2.x auto', 'sse'],
  ['1.x', 'both'],
  ['2.x legacy', 'both'],
  ['2.x auto', 'both'],
  ['2.x pinned', 'both'],
  ['2.x auto', 'modern'],
  ['2.x pinned', 'modern'],
];

describe('what a client gets and a server hears', () => {
  it.each(PAIRS)('client %s, server %s', async (speech, kind) => {
    const [direct, bridged] = await Promise.all([
      walk(speech, kind, 'directly'),
      walk(speech, kind, 'through the bridge'),
    ]);
    expect(bridged).toEqual(direct);
  });
});
