import { PassThrough, type Readable } from 'node:stream';
import { expect } from 'vitest';
import { stdioChannel } from '../../../src/adapters/mcp/stdio-channel.js';
import { sdkTransports } from '../../../src/adapters/mcp/transports.js';
import { runBridge } from '../../../src/bridge/bridge.js';
import type { Credentials } from '../../../src/daemon/credentials.js';
import type { Dice } from '../dice.js';
import { hostileText, hostileValue, mutated, SECRET, writtenBy } from '../hostile.js';
import type { Target } from '../target.js';

const MESSAGES = [
  {
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'f', version: '1' } },
  },
  { jsonrpc: '2.0', method: 'notifications/initialized' },
  { jsonrpc: '2.0', id: 2, method: 'tools/list', params: {} },
  {
    jsonrpc: '2.0',
    id: 3,
    method: 'tools/call',
    params: { name: 'x', arguments: { a: 1 }, _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } },
  },
  { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 3 } },
  { jsonrpc: '2.0', id: 'x', result: {} },
  { jsonrpc: '2.0', id: 4, error: { code: -1, message: 'm' } },
];
const RESULT = {
  jsonrpc: '2.0',
  id: 0,
  result: {
    protocolVersion: '2025-06-18',
    capabilities: {},
    serverInfo: { name: 's', version: '1' },
    tools: [{ name: 'x', inputSchema: { type: 'object', properties: { a: { 'x-mcp-header': 'A' } } } }],
  },
};
const LAST = 'the-last-one';

/** Lines of clients and answers of servers, through a whole bridge. */
export const protocol: Target = {
  name: 'protocol',
  weight: 3,
  async run(dice) {
    const [input, output] = [new PassThrough(), new PassThrough()];
    const transports = { ...sdkTransports(), fetch: serverOf(dice), client: () => stdioChannel(input, output) };
    const access = { url: new URL('http://fuzz.test/mcp'), sse: false, headers: { authorization: `Bearer ${SECRET}` } };
    const refuse = async (): Promise<never> => {
      throw new Error('refused');
    };
    const credentials = {
      current: async () => access,
      fresh: async () => access,
      atHand: () => access,
      afterRejection: refuse,
      rejection: () => new Error('rejected'),
    } as unknown as Credentials;
    const ending = new AbortController();
    const clock = {
      now: Date.now,
      monotonic: () => performance.now() / 1000,
      random: dice.random,
      uptime: () => 1e6,
      sleep: async (seconds: number) =>
        new Promise<void>((resolve) => void setTimeout(resolve, Math.min(seconds, 0.05) * 1000).unref()),
    };
    const ended = runBridge({ transports, credentials, clock }, ending.signal);
    const said = collect(output);
    for (let n = dice.below(12); n > 0; n -= 1) {
      const line = dice.oneIn(6)
        ? Buffer.from(hostileText(dice))
        : writtenBy(dice, dice.oneIn(8) ? dice.some(MESSAGES, 3) : mutated(dice, dice.pick(MESSAGES)));
      input.write(line.filter((byte) => byte !== 0x0a));
      input.write('\n');
    }
    // A half of UTF-16 may be left before it.
    input.write(`\n${JSON.stringify({ jsonrpc: '2.0', id: LAST, method: 'ping' })}\n`);
    await found(said, LAST);
    ending.abort();
    await ended;
    input.destroy();
    for (const line of said.text.split('\n').slice(0, -1)) {
      expect(JSON.parse(line)).toMatchObject({ jsonrpc: '2.0' });
      expect(line).not.toContain(SECRET);
    }
  },
};

function collect(output: Readable): { text: string } {
  const said = { text: '' };
  output.setEncoding('utf8').on('data', (chunk) => {
    said.text += chunk;
  });
  return said;
}

async function found(said: { text: string }, id: string): Promise<void> {
  while (!said.text.includes(`"id":"${id}"`)) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** Answers what is asked with anything; what is asked last with what it asks for. */
function serverOf(dice: Dice) {
  return async (_url: string | URL, init: RequestInit = {}): Promise<Response> => {
    const body = String(init.body ?? '');
    if (body.includes(LAST)) return Response.json({ jsonrpc: '2.0', id: LAST, result: {} });
    const id: unknown = idIn(body);
    const answer = { ...RESULT, id: dice.oneIn(8) ? hostileValue(dice) : id };
    const bytes = writtenBy(dice, dice.oneIn(3) ? mutated(dice, answer) : answer);
    const status = dice.pick([200, 200, 200, 202, 400, 401, 403, 404, 405, 500, 307]);
    const session = dice.oneIn(2) ? { 'mcp-session-id': 's' } : {};
    const events = dice.oneIn(3);
    const type = dice.pick([events ? 'text/event-stream' : 'application/json', 'text/html', '', 'application/json']);
    const text = events
      ? `retry: ${dice.pick([0, 5, 'x', '9'.repeat(30)])}\nid: 1\nevent: message\ndata: ${bytes.toString('utf8')}\n\n`
      : bytes;
    const headers = { ...session, 'content-type': type, ...(status === 307 && { location: 'http://elsewhere.test/' }) };
    const empty = status === 202 || status === 204;
    if (dice.oneIn(10)) throw new TypeError('the connection broke off');
    return new Response(empty ? null : new Uint8Array(Buffer.from(text)), { status, headers });
  };
}

function idIn(body: string): unknown {
  try {
    return (JSON.parse(body) as { id?: unknown }).id;
  } catch {
    return null;
  }
}
