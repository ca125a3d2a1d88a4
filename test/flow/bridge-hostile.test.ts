import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { INITIALIZE, type Spoken, speak } from '../fixtures/bridge-client.js';
import { FaultServer } from '../fixtures/fault-server.js';
import { OddMcpServer } from '../fixtures/odd-mcp-server.js';
import { until } from '../fixtures/program.js';

const call = (id: number) => ({ id, method: 'tools/call', params: { name: 'x', arguments: {} } });
const INITIALIZED = { method: 'notifications/initialized' };

async function begun(server: OddMcpServer, token?: object): Promise<Spoken> {
  const spoken = speak(server.root(token).path, 'x');
  spoken.send(INITIALIZE);
  await spoken.answerTo(1);
  spoken.send(INITIALIZED);
  return spoken;
}

/** What is counted has stopped growing. */
async function held(count: () => number): Promise<number> {
  let [last, looks] = [count(), 0];
  return until(() => {
    const now = count();
    looks = now === last && now > 0 ? looks + 1 : 0;
    last = now;
    return looks > 100 && last;
  }, 'an end of what is taken');
}

describe('a server', () => {
  it('without a stream for its own messages, that says so with 404, has one session', async () => {
    const server = await OddMcpServer.start({ stream: (response) => response.writeHead(404).end('no stream') });
    const { send, answerTo } = await begun(server);
    await until(() => server.times('GET') > 0, 'the request for the stream');
    for (let id = 2; id < 30; id += 1) {
      send(call(id));
      expect(await answerTo(id)).toMatchObject({ result: { content: [] } });
    }
    expect([server.times('POST initialize'), server.times('GET')]).toEqual([1, 1]);
  });

  it('whose stream was there, and is refused with 404, has lost the session', async () => {
    const server = await OddMcpServer.start({
      stream(response, nth) {
        if (nth === 2) response.writeHead(404).end();
        else
          response.writeHead(200, { 'content-type': 'text/event-stream' }).end(nth === 1 ? 'retry: 1\n\n' : undefined);
      },
    });
    await begun(server);
    await until(() => server.times('POST initialize') === 2, 'another session');
  });

  it.each<[what: string, status: number, body: (response: ServerResponse) => void]>([
    ['a refusal without end', 403, (response) => void response.write('wait')],
    ['a refusal of a gigabyte', 500, (response) => flood(response, 'x'.repeat(1024 * 1024))],
  ])('is answered for: %s', async (_, status, body) => {
    const server = await OddMcpServer.start({
      post(response, { method }) {
        if (method !== 'tools/call') return false;
        response.writeHead(status, { 'content-type': 'text/plain' });
        body(response);
        return true;
      },
    });
    const { process, send, answerTo } = await begun(server);
    send(call(2));
    const { error } = await answerTo(2);
    expect(error?.message).toContain(`HTTP ${status}`);
    expect(error?.message.length).toBeLessThan(400);
    expect(residentMegabytes(process.pid)).toBeLessThan(250);
  });

  it('that refuses a token with a body that never ends has refused it', async () => {
    const issuer = await FaultServer.start();
    const server = await OddMcpServer.start({
      post(response, { method }, authorization) {
        if (method !== 'tools/call' || !authorization.endsWith('00001')) return false;
        response.writeHead(401).write('wait');
        return true;
      },
    });
    const { send, answerTo } = await begun(server, { ...issuer.file({ provider: 'p' }), expires_at: 4_000_000_000 });
    send(call(2));
    expect(await answerTo(2)).toMatchObject({ result: { content: [] } });
    expect(issuer.asked).toHaveLength(1);
  });

  it('with an event that never ends is heard no longer, and the bridge goes on', async () => {
    const server = await OddMcpServer.start({
      stream(response, nth) {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        if (nth === 1) flood(response, `${'x'.repeat(1024 * 1024)}\n`, 'data: ');
      },
    });
    const { process, send, answerTo } = await begun(server);
    await until(() => server.times('GET') === 2, 'the next stream');
    send(call(2));
    expect(await answerTo(2)).toMatchObject({ result: { content: [] } });
    expect(residentMegabytes(process.pid)).toBeLessThan(1200);
  });

  it('that floods a client which does not read is held', async () => {
    const most = 300;
    let megabytes = 0;
    const event = `data: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/x', params: { x: 'x'.repeat(1024 * 1024) } })}\n\n`;
    const server = await OddMcpServer.start({
      stream(response) {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        const more = (): void => {
          for (let taken = true; taken && megabytes < most; megabytes += 1) taken = response.write(event);
          if (megabytes < most) response.once('drain', more);
        };
        more();
      },
    });
    const { process } = await begun(server);
    process.stdout?.pause();
    expect(await held(() => megabytes)).toBeLessThan(60);
    process.stdout?.resume();
    await until(() => megabytes === most, 'the rest');
  });
});

describe('a client', () => {
  it('that floods a server which takes nothing is held', async () => {
    const server = await OddMcpServer.start({ post: (_, { method }) => method === 'notifications/flood' });
    const { process } = await begun(server);
    const line = `${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/flood', params: { x: 'x'.repeat(1024 * 1024) } })}\n`;
    let megabytes = 0;
    process.stdin?.on('error', () => undefined);
    const more = (): void => {
      for (let taken = true; taken && megabytes < 300; megabytes += 1) taken = process.stdin?.write(line) === true;
      if (megabytes < 300) process.stdin?.once('drain', more);
    };
    more();
    expect(await held(() => megabytes)).toBeLessThan(100);
  });

  it.each<[line: string, answers: object[]]>([
    ['{bad', [{ id: null, error: { code: -32_700 } }]],
    ['{"jsonrpc":"2.0","id":2,"method":"tools/list","params":null}', [{ id: 2, result: {} }]],
    ['{"jsonrpc":"2.0","id":2,"method":"tools/list","params":[1]}', [{ id: 2, error: { code: -32_602 } }]],
    ['{"jsonrpc":"1.0","id":2,"method":"tools/list"}', [{ id: 2, error: { code: -32_600 } }]],
    ['{"jsonrpc":"2.0","id":{},"method":"tools/list"}', [{ id: null, error: { code: -32_600 } }]],
    ['{"jsonrpc":"2.0","id":2,"method":5}', [{ id: 2, error: { code: -32_600 } }]],
    ['[]', [{ id: null, error: { code: -32_600 } }]],
    [
      '[{"jsonrpc":"2.0","id":2,"method":"ping"},7,{"jsonrpc":"2.0","id":3,"method":"ping"}]',
      [{ id: 2 }, { id: 3 }, { id: null }],
    ],
    ['{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":{"toString":1}}}', [{ id: 2 }]],
    [
      `{"jsonrpc":"2.0","id":2,"method":"x","params":{"deep":${'['.repeat(200_000)}${']'.repeat(200_000)}}}`,
      [{ id: 2 }],
    ],
    ['{"jsonrpc":"2.0","id":2,"method":"__proto__","params":{"__proto__":{"a":1}}}', [{ id: 2 }]],
  ])('that says %.80s is answered, and the bridge goes on', async (line, answers) => {
    const { process, send, answerTo, leave, ended } = await begun(await OddMcpServer.start());
    process.stdin?.write(`${line}\n\n`);
    send(call(99));
    expect(await answerTo(99)).toMatchObject({ result: {} });
    for (const { id } of answers as { id: number | null }[]) if (id !== null) await answerTo(id);
    leave();
    const { stdout, code } = await ended;
    const said = stdout
      .trim()
      .split('\n')
      .map((one) => JSON.parse(one))
      .filter(({ id }) => id !== 1 && id !== 99);
    expect(code).toBe(0);
    expect(said).toHaveLength(answers.length);
    expect(said).toEqual(expect.arrayContaining(answers.map((one) => expect.objectContaining(deep(one)))));
  });
});

const deep = (one: object): object =>
  Object.fromEntries(
    Object.entries(one).map(([name, value]) => [
      name,
      typeof value === 'object' && value !== null ? expect.objectContaining(value) : value,
    ]),
  );

/** Writes as long as it is taken. */
function flood(response: ServerResponse, piece: string, first = ''): void {
  response.write(first);
  const more = (): void => {
    while (!response.destroyed && response.write(piece));
    if (!response.destroyed) response.once('drain', more);
  };
  more();
}

function residentMegabytes(pid = 0): number {
  return Number(/VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}
