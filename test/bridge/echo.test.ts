import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { holdBridge } from '../fixtures/bridge-in-process.js';
import { LATER } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';

// biome-ignore lint/suspicious/noExplicitAny: messages of every shape
type Json = any;

const TOKEN = 'made-up+access/token==-0001';
const KEY = 'made-up-api-key-77';
const IN_ADDRESS = 'made-up-in-address';
const SECRETS = [TOKEN, KEY, IN_ADDRESS];

const ENCODINGS: readonly ((text: string) => string)[] = [
  (text) => text,
  encodeURIComponent,
  (text) => Buffer.from(text).toString('base64'),
  (text) => Buffer.from(`id:${text}`).toString('base64url'),
  (text) => text.replaceAll('+', '&#43;').replaceAll('=', '&equals;'),
  (text) => `${text.slice(0, 5)}\u001b[1m${text.slice(5)}`,
];
const everything = SECRETS.flatMap((secret) => ENCODINGS.map((encode) => encode(secret))).join(' , ');
const ERROR = { code: -32_050, message: `no: ${everything}`, data: { [everything]: [{ deep: everything }] } };

const as = (type: string, status: number, body: string) => (response: ServerResponse) =>
  response.writeHead(status, { 'content-type': type }).end(body);
const event = (message: object): string => `event: message\ndata: ${JSON.stringify(message)}\n\n`;

/** How a server says back what it was sent, in its answer to a call. */
const ECHOES: readonly [name: string, answer: (response: ServerResponse, id: Json) => void][] = [
  ['text and an HTTP error', (response) => as('text/plain', 403, everything)(response)],
  ['a page and an HTTP error', (response) => as('text/html', 500, `<h1>no</h1><p>${everything}</p>`)(response)],
  [
    'JSON that is none of RPC',
    (response) => as('application/json', 400, JSON.stringify({ error: everything }))(response),
  ],
  [
    'a JSON-RPC error with an HTTP error',
    (response, id) => as('application/json', 400, JSON.stringify({ jsonrpc: '2.0', id, error: ERROR }))(response),
  ],
  [
    'a JSON-RPC error',
    (response, id) => as('application/json', 200, JSON.stringify({ jsonrpc: '2.0', id, error: ERROR }))(response),
  ],
  [
    'a JSON-RPC error in a stream',
    (response, id) => as('text/event-stream', 200, event({ jsonrpc: '2.0', id, error: ERROR }))(response),
  ],
  [
    'a tool that fails',
    (response, id) =>
      as(
        'application/json',
        200,
        JSON.stringify({
          jsonrpc: '2.0',
          id,
          result: { isError: true, content: [{ type: 'text', text: everything }] },
        }),
      )(response),
  ],
  [
    'a line of its log in a stream',
    (response, id) =>
      as(
        'text/event-stream',
        200,
        event({
          jsonrpc: '2.0',
          method: 'notifications/message',
          params: { level: 'error', data: { text: everything } },
        }) + event({ jsonrpc: '2.0', id, error: { code: 1, message: 'x' } }),
      )(response),
  ],
  ['what is no MCP', (response) => as(`text/x-${IN_ADDRESS}`, 200, everything)(response)],
];

it.each(ECHOES)('what a server says back is told without its secrets: %s', async (_, answer) => {
  const server = createServer(async (request, response) => {
    const message: Json = request.method === 'POST' ? JSON.parse(await textOf(request)) : null;
    if (message?.method === 'tools/call') return answer(response, message.id);
    if (message?.id === undefined) return response.writeHead(message ? 202 : 405).end();
    const result = { protocolVersion: '2025-06-18', capabilities: {}, serverInfo: { name: 's', version: '1' } };
    as('application/json', 200, JSON.stringify({ jsonrpc: '2.0', id: message.id, result }))(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const root = new Root()
    .write('registry/servers/x.json', {
      path: '/x',
      mcp_endpoint: `http://127.0.0.1:${port}/mcp?api_key=${IN_ADDRESS}`,
      auth_type: 'oauth',
      auth_provider: 'p',
      headers: [{ name: 'X-Thing', value: KEY }],
    })
    .write('.oauth-tokens/p-x-egress.json', { provider: 'p', access_token: TOKEN, expires_at: LATER });
  const { send, answerTo, received } = await holdBridge(root.path, 'x');
  const clientInfo = { name: 'test', version: '1' };
  send({ id: 1, method: 'initialize', params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo } });
  await answerTo(1);
  send({ id: 2, method: 'tools/call', params: { name: 't', arguments: {} } });
  const answered = await answerTo(2);
  expect(answered.error ?? answered.result?.isError).toBeTruthy();
  const told = JSON.stringify(received);
  expect(told).toContain('[redacted]');
  for (const secret of SECRETS)
    for (const encode of ENCODINGS) expect(told).not.toContain(JSON.stringify(encode(secret)).slice(1, -1));
  for (const piece of ['made-up', Buffer.from('made-up').toString('base64').slice(0, 8)])
    expect(told).not.toContain(piece);
  const texts: string[] = [];
  JSON.stringify(received, (_key, value) => {
    if (typeof value === 'string') texts.push(value);
    return value;
  });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  expect(texts.join('')).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
});
