import { describe, expect, it } from 'vitest';
import { INITIALIZE, speak } from '../fixtures/bridge-client.js';
import { bridgeRoot } from '../fixtures/mcp-client.js';
import { type Kind, McpFixture, UNICODE } from '../fixtures/mcp-server.js';
import { until } from '../fixtures/program.js';

const methodsIn = (server: McpFixture): string[] => server.heard.flatMap(({ body }) => body?.method ?? []);

describe('the process of a bridge', () => {
  const call = (id: string | number, name: string, args: object): object => ({
    id,
    method: 'tools/call',
    params: { name, arguments: args },
  });

  it('says nothing but messages, and answers by the ids that it was given', async () => {
    const server = await McpFixture.start('sessions');
    const { process, send, answerTo, leave, ended } = speak(bridgeRoot(server).path, 'x');
    process.stdin?.write('this is no message\n{"jsonrpc": "2.0"}\n\n');
    send(INITIALIZE);
    await answerTo(1);
    send({ method: 'notifications/initialized' });
    send({ method: 'notifications/of-the-test', params: { note: UNICODE } });
    const ids = ['a', '7', 7, 0, '', UNICODE, 2 ** 53 - 1, -1];
    for (const id of ids) send(call(id, 'echo', { text: `for ${typeof id} ${id}` }));
    for (const id of ids) {
      expect(await answerTo(id)).toMatchObject({ result: { content: [{ text: `for ${typeof id} ${id}` }] } });
    }
    for (let n = 100; n < 130; n += 1) send(call(n, 'echo', { text: '' }));
    for (let n = 100; n < 130; n += 1) await answerTo(n);
    expect(server.saw).toEqual([`notifications/of-the-test ${UNICODE}`]);
    leave();
    const { code, stdout, stderr } = await ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.splice(0, 2)).toEqual([
      { jsonrpc: '2.0', id: null, error: { code: -32_700, message: expect.any(String) } },
      { jsonrpc: '2.0', id: null, error: { code: -32_600, message: expect.any(String) } },
    ]);
    expect(lines).toHaveLength(1 + ids.length + 30);
    for (const line of lines) expect(line).toMatchObject({ jsonrpc: '2.0' });
  });

  it('passes on what comes after a notification when the server has that', async () => {
    const server = await McpFixture.start('both');
    const { send, answerTo } = speak(bridgeRoot(server).path, 'x');
    send(INITIALIZE);
    await answerTo(1);
    send({ method: 'notifications/of-the-test', params: { note: 'ä'.repeat(4 * 1024 * 1024) } });
    send(call(2, 'echo', { text: '' }));
    await answerTo(2);
    expect(methodsIn(server)).toEqual(['initialize', 'notifications/of-the-test', 'tools/call']);
  });

  it('does not answer what was cancelled', async () => {
    const server = await McpFixture.start('both');
    const { send, answerTo, leave, ended } = speak(bridgeRoot(server).path, 'x');
    send(INITIALIZE);
    await answerTo(1);
    send(call(2, 'wait', { note: 'here' }));
    await until(() => server.saw.includes('waiting here'), 'the call');
    send({ method: 'notifications/cancelled', params: { requestId: 2 } });
    await until(() => methodsIn(server).includes('notifications/cancelled'), 'the cancellation');
    server.cut();
    await until(() => server.saw.includes('cancelled here'), 'the end of the stream');
    for (const id of [3, 4, 5]) {
      send(call(id, 'echo', { text: '' }));
      await answerTo(id);
    }
    leave();
    const ids = (await ended).stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).id);
    expect(ids).toEqual([1, 3, 4, 5]);
  });

  const leaving: [name: string, kind: Kind, requests: (meta: object) => object[], modern: boolean][] = [
    ['with nothing under way', 'sessions', () => [], false],
    ['with a call under way', 'sessions', () => [call(2, 'wait', { note: 'here' })], false],
    ['with a call under way, over SSE', 'sse', () => [call(2, 'wait', { note: 'here' })], false],
    [
      'with a call and a subscription under way',
      'modern',
      (_meta) => [
        { id: 3, method: 'subscriptions/listen', params: { _meta, notifications: { toolsListChanged: true } } },
        { id: 2, method: 'tools/call', params: { _meta, name: 'wait', arguments: { note: 'here' } } },
      ],
      true,
    ],
  ];
  it.each(leaving)('ends with its client, %s', async (_, kind, requests, modern) => {
    const server = await McpFixture.start(kind);
    const { send, answerTo, leave, ended } = speak(bridgeRoot(server).path, 'x');
    if (!modern) {
      send(INITIALIZE);
      await answerTo(1);
      send({ method: 'notifications/initialized' });
      await until(() => server.listeners === 1, 'the stream');
    }
    const messages = requests({
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {},
    });
    for (const message of messages) send(message);
    if (messages.length > 0) await until(() => server.saw.includes('waiting here'), 'the call');
    if (modern) await until(() => server.listeners === 1, 'the subscription');
    leave();
    // The call is never answered: whoever waited for that would not come to an end.
    const { code, stderr } = await ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    await until(() => server.listeners === 0, 'no stream is left');
    await until(() => server.sessions.length === 0, 'no session is left');
    if (kind === 'sessions')
      expect(server.heard.at(-1)).toMatchObject({ http: 'DELETE', headers: { 'mcp-session-id': expect.any(String) } });
    if (modern) await until(() => server.saw.includes('cancelled here'), 'the end of the call');
  });
});
