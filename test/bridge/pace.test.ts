import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLines, TOO_LONG } from '../../src/adapters/mcp/lines.js';
import { sdkTransports } from '../../src/adapters/mcp/transports.js';
import { createSession } from '../../src/bridge/session.js';
import type { Credentials } from '../../src/daemon/credentials.js';
import { createPace } from '../../src/ground/pace.js';
import type { McpTransports, Message, RemoteChannel } from '../../src/ports/mcp.js';
import { FakeClock } from '../fixtures/app.js';

const INITIALIZE: Message = { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-06-18' } };
const GREETED: Message = { jsonrpc: '2.0', id: 1, result: { protocolVersion: '2025-06-18' } };

describe('a pace', () => {
  const pace = (clock: FakeClock) => createPace({ first: 1, most: 30, healthy: 10 }, clock);

  it('grows while attempts soon fail, and begins anew after one that has lasted', () => {
    const clock = new FakeClock();
    const { next } = pace(clock);
    const pauses = Array.from({ length: 8 }, () => {
      const seconds = next();
      clock.pass(seconds);
      return seconds;
    });
    expect(pauses).toEqual([1, 2, 4, 8, 16, 30, 30, 30]);
    clock.pass(11);
    expect(next()).toBe(1);
  });

  it('waits for as long as is asked, within its bounds, and never less than its own pause', () => {
    const { next } = pace(new FakeClock());
    expect([next(5), next(0), next(1e12)]).toEqual([5, 2, 30]);
  });

  it('is not the same for everybody', () => {
    const clock = new FakeClock();
    clock.chance = 0;
    expect(pace(clock).next()).toBeCloseTo(0.8);
  });
});

describe('a stream for which the server sets the pace', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
  afterEach(() => void vi.useRealTimers());

  it.each<[what: string, answer: (nth: number) => Response]>([
    ['ends at once', () => stream('')],
    ['says retry: 0 and ends', () => stream('retry: 0\n\n')],
    ['says retry: 0 with each message', () => stream('retry: 0\ndata: {"jsonrpc":"2.0","method":"x"}\n\n')],
    ['says a retry beyond any timer', () => stream(`retry: ${'9'.repeat(20)}\n\n`)],
    ['ends, and then is refused', (nth) => (nth === 1 ? stream('') : new Response('', { status: 503 }))],
  ])('that %s is asked for ever more seldom', async (_, answer) => {
    let asked = 0;
    const channel = sdkTransports().remote(new URL('http://odd.test/mcp'), false, async (_url, init) => {
      if (init?.method === 'GET') {
        asked += 1;
        return answer(asked);
      }
      return init?.body?.toString().includes('"initialize"')
        ? Response.json(GREETED, { headers: { 'mcp-session-id': 's' } })
        : new Response(null, { status: 202 });
    });
    await channel.start();
    await channel.send(INITIALIZE, {});
    await channel.send({ jsonrpc: '2.0', method: 'notifications/initialized' }, {});
    await vi.advanceTimersByTimeAsync(600_000);
    expect(asked).toBeGreaterThan(5);
    expect(asked).toBeLessThan(40);
    await channel.close(false);
  });
});

describe('a session that is lost as soon as it is begun', () => {
  /** A server whose every session is lost at once. */
  const scene = () => {
    const clock = new FakeClock();
    /** When each was begun. */
    const begun: number[] = [];
    const transports: McpTransports = {
      fetch: () => Promise.reject(new Error('unused')),
      client: () => ({ start: async () => undefined, send: async () => undefined }),
      remote() {
        const channel: RemoteChannel = {
          start: async () => undefined,
          async send(message) {
            if (message.method === 'initialize')
              channel.onmessage?.({ ...GREETED, ...(message.id && { id: message.id }) });
            if (message.method === 'notifications/initialized') setImmediate(() => channel.onlost?.());
          },
          close: async () => undefined,
          abandon: () => undefined,
          setProtocolVersion: () => undefined,
          inSession: true,
        };
        begun.push(clock.monotonic());
        return channel;
      },
    };
    const access = { url: new URL('http://odd.test/mcp'), sse: false, headers: {} };
    const credentials = { current: async () => access } as unknown as Credentials;
    const session = createSession({
      transports,
      credentials,
      clock,
      fetch: transports.fetch,
      received: () => undefined,
      isBusy: () => false,
    });
    return { clock, begun, session };
  };

  it('is begun anew ever more seldom', async () => {
    const { clock, begun, session } = scene();
    const first = await session.connection();
    session.begun(INITIALIZE, GREETED, first);
    session.initialized({ jsonrpc: '2.0', method: 'notifications/initialized' });
    const start = clock.monotonic();
    first.onlost?.();
    await vi.waitFor(() => expect(clock.monotonic() - start).toBeGreaterThan(600), 10_000);
    await session.end();
    const soon = begun.filter((at) => at - start < 600).length;
    expect(soon).toBeGreaterThan(8);
    expect(soon).toBeLessThan(30);
  });
});

describe('lines', () => {
  it('are put together from pieces, whatever their number', () => {
    const lines = createLines(10_000_000);
    const found: unknown[] = [];
    for (const text of ['a\nb\r\n\nc', 'd', '', '\nü'.slice(0, 1), 'e']) found.push(...lines.add(Buffer.from(text)));
    expect([...found, lines.rest()]).toEqual(['a', 'b\r', '', 'cd', 'e']);
    const piece = Buffer.from('x');
    for (let n = 0; n < 3_000_000; n += 1) found.push(...lines.add(piece));
    expect([...lines.add(Buffer.from('\n'))].map((line) => String(line).length)).toEqual([3_000_000]);
  });

  it('that are too long are said to be, and cost nothing', () => {
    const lines = createLines(4);
    expect([...lines.add(Buffer.from('1234\n12345\n'))]).toEqual(['1234', TOO_LONG]);
    for (let n = 0; n < 1000; n += 1) expect([...lines.add(Buffer.alloc(1024 * 1024, 'x'))]).toEqual([]);
    expect([...lines.add(Buffer.from('\nok\n'))]).toEqual([TOO_LONG, 'ok']);
  });
});

function stream(text: string): Response {
  return new Response(text, { status: 200, headers: { 'content-type': 'text/event-stream' } });
}
