// What clients wait for: `token` and `headers` in a script, and the bridge in front of a real MCP server.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { z } from 'zod';
import { median, ms, PROGRAM, ratio, say, time } from './measure.mjs';

const CALLS = 1000;
const STARTS = 9;
const TOKEN = 'made-up-access-token';
const INITIALIZE = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'bench', version: '1' } },
};
const call = (id) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name: 'echo', arguments: { text: `call ${id}` } },
});

async function mcpServer() {
  const sessions = new Map();
  const server = createServer(async (request, response) => {
    let transport = sessions.get(request.headers['mcp-session-id']);
    if (!transport) {
      transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (id) => sessions.set(id, transport),
      });
      const mcp = new McpServer({ name: 'bench', version: '1' });
      mcp.registerTool('echo', { inputSchema: { text: z.string() } }, ({ text }) => ({
        content: [{ type: 'text', text }],
      }));
      await mcp.connect(transport);
    }
    await transport.handleRequest(request, response);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server;
}

/** The client's side of a bridge, or of the server itself: both answer a message with a message. */
function throughBridge(root) {
  const child = spawn(process.execPath, [PROGRAM, '--root', root, 'bridge', 'bench'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const waiting = new Map();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { id } = JSON.parse(line);
    waiting.get(id)?.();
  });
  const send = (message) => child.stdin.write(`${JSON.stringify(message)}\n`);
  const ask = (message) =>
    new Promise((resolve) => {
      waiting.set(message.id, resolve);
      send(message);
    });
  return { child, send, ask };
}

function directly(url) {
  let session;
  const ask = async (message) => {
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(session && { 'mcp-session-id': session }),
    };
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(message) });
    session ??= response.headers.get('mcp-session-id');
    await response.text();
  };
  return { ask, send: ask };
}

async function timed(task) {
  const began = performance.now();
  await task();
  return (performance.now() - began) / 1000;
}

/** The median of many calls, one after the other. */
async function callsOf({ ask, send }) {
  await send({ jsonrpc: '2.0', method: 'notifications/initialized' });
  const times = [];
  for (let id = 1; id <= CALLS; id += 1) times.push(await timed(() => ask(call(id))));
  return median(times);
}

const residentOf = ({ pid }) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

export async function benchDelivery() {
  const server = await mcpServer();
  const url = `http://127.0.0.1:${server.address().port}/mcp`;
  const root = mkdtempSync(join(tmpdir(), 'token-refresher-bench-'));
  mkdirSync(join(root, 'registry/servers'), { recursive: true });
  mkdirSync(join(root, '.oauth-tokens'), { mode: 0o700 });
  const definition = { path: '/bench', mcp_endpoint: url, auth_type: 'oauth', auth_provider: 'p' };
  writeFileSync(join(root, 'registry/servers/bench.json'), JSON.stringify(definition));
  const token = { provider: 'p', access_token: TOKEN, expires_at: Date.now() / 1000 + 86_400 };
  writeFileSync(join(root, '.oauth-tokens/p-bench-egress.json'), JSON.stringify(token), { mode: 0o600 });

  for (const [command, word] of [
    ['token', 'p-bench'],
    ['headers', 'bench'],
  ]) {
    const { seconds, times } = ratio([PROGRAM, command, word], root);
    say(`${command} ${word}, cold`, `${ms(seconds)}, ${times.toFixed(1)} x node -e 0`, '2.5 x');
  }

  const starts = [];
  for (let n = 0; n < STARTS; n += 1) {
    const remote = await timed(() => directly(url).ask(INITIALIZE));
    const began = performance.now();
    const bridge = throughBridge(root);
    await bridge.ask(INITIALIZE);
    const seconds = (performance.now() - began) / 1000 - remote;
    starts.push({ seconds, times: seconds / time(['-e', '0'], root) });
    bridge.child.kill();
  }
  const first = median(starts.map(({ seconds }) => seconds));
  const times = median(starts.map((start) => start.times));
  say('bridge, cold to the answer to initialize', `${ms(first)}, ${times.toFixed(1)} x node -e 0`, '5 x');

  const direct = directly(url);
  await direct.ask(INITIALIZE);
  const alone = await callsOf(direct);
  const bridge = throughBridge(root);
  await bridge.ask(INITIALIZE);
  const bridged = await callsOf(bridge);
  say(`bridge, added to a call, median of ${CALLS}`, `${ms(bridged - alone)} to ${ms(alone)}`, '2 ms');
  say(`bridge, resident after ${CALLS} calls`, `${residentOf(bridge.child).toFixed(0)} MB`, '90 MB');
  bridge.child.kill();
  server.close();
  server.closeAllConnections();
  rmSync(root, { recursive: true, force: true });
}
