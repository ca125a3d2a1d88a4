import { once } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { run } from '../fixtures/program.js';
import { Root } from '../fixtures/root.js';

const SECRETS = {
  access_token: 'made-up-access+/=0001',
  refresh_token: 'made-up-refresh~token/0002',
  client_secret: 'made-up-client:secret&"3"',
};
const NEW = 'made-up-new-token-0004';

const html = (text: string) => text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('+', '&#43;');
const ENCODINGS: readonly ((text: string) => string)[] = [
  (text) => text,
  encodeURIComponent,
  (text) => new URLSearchParams({ _: text }).toString().slice(2),
  html,
  (text) => JSON.stringify(text).slice(1, -1),
  (text) => Buffer.from(text).toString('base64'),
  (text) => Buffer.from(text).toString('hex'),
];

/** Each says back, in its own way, what it was sent. */
const ANSWERS: readonly (readonly [name: string, status: number, type: string, body: (echo: string) => string])[] = [
  [
    'the description of an error',
    400,
    'application/json',
    (echo) => JSON.stringify({ error: 'invalid_grant', error_description: echo }),
  ],
  ['the code of an error', 400, 'application/json', (echo) => JSON.stringify({ error: echo })],
  [
    'an error that is an object',
    401,
    'application/json',
    (echo) => JSON.stringify({ error: { message: echo, code: 'refresh_token_reused' } }),
  ],
  [
    'a message beside a code',
    401,
    'application/json',
    (echo) => JSON.stringify({ errorCode: 'invalid_client', errorSummary: echo, message: echo }),
  ],
  [
    'a form',
    400,
    'application/x-www-form-urlencoded',
    (echo) => new URLSearchParams({ error: 'invalid_request', error_description: echo }).toString(),
  ],
  ['a page', 500, 'text/html', (echo) => `<h1>${echo}</h1>`],
  [
    'JSON that is broken',
    400,
    'application/json',
    (echo) => `{"error": "invalid_grant", "error_description": "${echo}`,
  ],
  ['an answer that is none', 200, 'application/json', (echo) => JSON.stringify({ [echo]: echo })],
  [
    'a type that is none',
    200,
    'application/json',
    (echo) => JSON.stringify({ access_token: NEW, refresh_token: `${NEW}-r`, token_type: `${echo}` }),
  ],
];

async function scene(status: number, type: string, body: (echo: string) => string, pick: (sent: string[]) => string) {
  const server = createServer(async (request: IncomingMessage, response) => {
    const form = new URLSearchParams(await textOf(request));
    const basic = request.headers.authorization ?? '';
    const sent = [form.get('refresh_token') ?? '', form.get('client_secret') ?? '', basic, basic.replace('Basic ', '')];
    response.writeHead(status, { 'content-type': type }).end(body(pick(sent.filter((one) => one !== ''))));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
}

/** Everything that the program has written, but for token files and copies of them. */
function written(root: Root, folder = '.'): string {
  return readdirSync(root.full(folder))
    .flatMap((name) => {
      const path = `${folder}/${name}`;
      if (path === './.token-refresher/tokens' || path === './.oauth-tokens') return [];
      return statSync(root.full(path)).isDirectory() ? [written(root, path)] : [readFileSync(root.full(path), 'utf8')];
    })
    .join('\n');
}

/** Only the beginning of what a server says is told: each case begins with another encoding. */
const CASES = ['client_secret_basic', 'client_secret_post'].flatMap((method, offset) =>
  ANSWERS.map(([name, status, type, body], index) => {
    const first = (index + offset * 4) % ENCODINGS.length;
    const encodings = [...ENCODINGS.slice(first), ...ENCODINGS.slice(0, first)];
    return { name, method, status, type, body, encodings };
  }),
);

it.each(CASES)('a token endpoint says back what it was sent with $method, in $name', async (one) => {
  const { method, status, type, body, encodings } = one;
  const endpoint = await scene(status, type, body, (sent) =>
    encodings.flatMap((encode) => [...sent, SECRETS.access_token].map(encode)).join(' '),
  );
  const root = new Root().write('.oauth-tokens/acme-thing-egress.json', {
    provider: 'acme',
    ...SECRETS,
    client_id: 'made-up-id',
    token_endpoint: endpoint,
    token_endpoint_auth_method: method,
    expires_at: 1_700_000_000,
  });
  const said = [];
  for (const args of [
    ['--once', '--log-level', 'debug', '--outputs', 'mcp.json'],
    ['status', '--json'],
    ['refresh', 'acme-thing'],
  ])
    said.push(await run(root.path, args));
  const all = [...said.flatMap(({ stdout, stderr }) => [stdout, stderr]), written(root)].join('\n');
  expect(all).toMatch(/acme-thing/);
  for (const secret of [...Object.values(SECRETS), NEW]) {
    for (const encode of ENCODINGS) expect(all).not.toContain(encode(secret));
  }
  expect(all).not.toMatch(/made-up-(?:access|refresh|client|new)/);
  expect(all).not.toContain(Buffer.from('made-up-id:made-up-cl').toString('base64').slice(15, 25));
});
