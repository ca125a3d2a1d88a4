import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, readdirSync } from 'node:fs';
import { request } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type RunningApi, startApi } from '../fixtures/api.js';
import { startAuthorizationServer } from '../fixtures/authorization-server.js';
import { call } from '../fixtures/command.js';
import { FaultServer, refusal } from '../fixtures/fault-server.js';
import { run, start, until } from '../fixtures/program.js';
import { egress, LATER } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';

const KEY = '.token-refresher/api-key';
const SCOPE = 'https://graph.microsoft.com/.default';
const ENCODED = 'https%3A%2F%2Fgraph.microsoft.com%2F.default';
const exec = promisify(execFile);

/** Resolves with what the server says until it closes the connection. */
async function raw({ url }: RunningApi, text: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.end(text);
  let said = '';
  for await (const chunk of socket) said += String(chunk);
  return said;
}

const logOf = (root: Root): string => root.text('token_refresher.log');

describe('documented examples', () => {
  /** As they stand, but for the port, and the key added. */
  const root = (): Root => {
    const token = { access_token: 'made-up-graph', expires_at: LATER, scope: SCOPE };
    const user = { access_token: 'made-up-users', expires_at: LATER, scope: SCOPE };
    return new Root()
      .write('.oauth-tokens/acme-graph-egress.json', { provider: 'acme', ...token })
      .write('.kroger_tokens.json', { user_tokens: { user123: user } });
  };
  const adapted = (example: string, { url, key }: RunningApi): string => {
    return example
      .replaceAll('localhost:7071', new URL(url).host.replace('127.0.0.1', 'localhost'))
      .replaceAll('KEY', key);
  };
  const curl = async (example: string, api: RunningApi) => {
    const line = adapted(example, api).replace('curl ', `curl -s -w '\\n%{http_code}' -H 'Authorization: Bearer KEY' `);
    const { stdout } = await exec('/bin/sh', ['-c', adapted(line, api)]);
    const [body = '', code] = stdout.split(/\n(?=\d+$)/);
    return { code: Number(code), body: JSON.parse(body) };
  };

  it('of curl', async () => {
    const api = await startApi(root());
    const body = { token: 'made-up-graph', expires_on: LATER, scope: SCOPE, refresh_count: 0 };
    expect(await curl(`curl http://localhost:7071/api/tokens/${ENCODED}`, api)).toEqual({ code: 200, body });
    expect(await curl(`curl "http://localhost:7071/api/tokens/${ENCODED}?user_id=user123"`, api)).toEqual({
      code: 200,
      body: { ...body, token: 'made-up-users' },
    });
    expect(await curl(`curl --path-as-is http://localhost:7071/api/tokens/${SCOPE}`, api)).toEqual({ code: 200, body });
    expect((await curl('curl http://localhost:7071/api/tokens', api)).body.count).toBe(2);
    expect(await curl('curl http://localhost:7071/api/tokens/health', api)).toMatchObject({
      code: 200,
      body: { status: 'healthy', redis_connected: false, active_token_count: 2 },
    });
    expect(await curl(`curl -X POST http://localhost:7071/api/tokens/refresh/${ENCODED}`, api)).toMatchObject({
      code: 502,
      body: { error: 'Token refresh failed', scope: SCOPE },
    });
  });

  it('of Python', async () => {
    const api = await startApi(root());
    const program = `
import urllib.parse
scope = urllib.parse.quote("${SCOPE}", safe="")
url = f"http://localhost:7071/api/tokens/{scope}"
headers = {"Authorization": "Bearer KEY"}
try:
    import requests
    data = requests.get(url, headers=headers).json()
except ImportError:
    import json, urllib.request
    data = json.load(urllib.request.urlopen(urllib.request.Request(url, headers=headers)))
print(data["token"], data["expires_on"])
`;
    const { stdout } = await exec('python3', ['-c', adapted(program, api)]);
    expect(stdout).toBe(`made-up-graph ${LATER}\n`);
  });

  it('of Node', async () => {
    const api = await startApi(root());
    const program = `
      const scope = encodeURIComponent('${SCOPE}');
      const response = await fetch(\`http://localhost:7071/api/tokens/\${scope}\`, {
        headers: { Authorization: 'Bearer KEY' },
      });
      const { token, expires_on } = await response.json();
      console.log(token, expires_on);`;
    const { stdout } = await exec(process.execPath, ['--input-type=module', '-e', adapted(program, api)]);
    expect(stdout).toBe(`made-up-graph ${LATER}\n`);
  });
});

describe('tokens that are due', () => {
  it('are refreshed at a real server before they are given', async () => {
    const root = new Root();
    const server = await startAuthorizationServer();
    root.write('registry/providers/acme.json', {
      provider: 'acme',
      token_endpoint: server.tokenEndpoint,
      token_endpoint_auth_method: 'client_secret_basic',
      environment: { client_id: 'ACME_ID', client_secret: 'ACME_SECRET' },
    });
    const wanted = { name: 'machine', provider: 'acme', grant_type: 'client_credentials', scope: 'read' };
    root.write('registry/tokens/machine.json', wanted);
    const credentials = { ACME_ID: server.clientId('client_secret_basic'), ACME_SECRET: server.clientSecret };
    const api = await startApi(root, [], credentials);
    const { token, scope } = (await (await api.get('/api/tokens/machine')).json()) as Record<string, string>;
    expect(scope).toBe('read');
    expect(await server.isActive(token ?? '')).toBe(true);
    const again = await api.get('/api/tokens/refresh/read', { method: 'POST' });
    expect(await again.json()).toMatchObject({ status: 'success', scope: 'read' });
    const other = (await (await api.get('/api/tokens/read')).json()) as Record<string, string>;
    expect(other.token).not.toBe(token);
    expect(await server.isActive(other.token ?? '')).toBe(true);
    expect(await (await api.get('/admin/tokens/status')).json()).toMatchObject({
      healthy: true,
      tokens: { client_credentials: { valid: true, status: 'healthy' } },
    });
  });

  it('are refreshed once for all that ask, the daemon included', async () => {
    const root = new Root();
    const server = await FaultServer.start();
    server.delay = 300;
    root.write('.oauth-tokens/fault-thing-egress.json', server.file());
    const api = await startApi(root);
    const answers = await Promise.all(Array.from({ length: 20 }, () => api.get('/api/tokens/fault-thing')));
    for (const answer of answers) {
      expect([answer.status, await answer.json()]).toMatchObject([200, { token: 'made-up-access-00002' }]);
    }
    expect(server.asked).toHaveLength(1);
  });
});

describe('the key', () => {
  it('is made once, for its owner alone, and kept', async () => {
    const root = new Root();
    const first = await startApi(root);
    expect(root.mode(KEY)).toBe(0o600);
    expect(first.key).toMatch(/^[\w-]{43}$/);
    first.process.kill('SIGTERM');
    await first.ended;
    root.remove('token_refresher.log');
    const second = await startApi(root);
    expect(second.key).toBe(first.key);
    expect((await second.get('/api/tokens')).status).toBe(200);
  });

  it('is not made where none is asked for', async () => {
    const root = new Root();
    const { get } = await startApi(root, ['--api-open']);
    expect((await get('/api/tokens')).status).toBe(200);
    expect(root.has(KEY)).toBe(false);
  });

  it.each(['', 'short', 'a key with spaces in it that is long'])(
    'that is none ("%s") keeps it from starting',
    async (text) => {
      const root = new Root().write(KEY, text);
      const { code, stdout, stderr } = await run(root.path, ['--api', '127.0.0.1:0']);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(/^token-refresher: .*api-key .*remove it.*\n$/);
    },
  );
});

describe('where it listens', () => {
  it('is nowhere unless it is asked for', async () => {
    const root = new Root();
    start(root.path);
    await until(() => root.has('token_refresher.log') && logOf(root).includes('cycle completed'), 'a cycle');
    expect(logOf(root)).not.toContain('listening');
    expect(root.has(KEY)).toBe(false);
  });

  it.each([
    [['--api', '0.0.0.0:7071'], /0\.0\.0\.0 can be reached from other machines; --api-public allows that/],
    [['--api', '[::]:7071'], /:: can be reached from other machines/],
    [['--api', 'example.com:80'], /example\.com can be reached/],
    [['--api', '7071', '--api-open', '--api-public'], /--api-open is for this machine alone/],
    [['--api', '99999'], /is not HOST:PORT/],
    [['--api', 'http://localhost:7071'], /is not HOST:PORT/],
    [['--api', 'unix:'], /is not HOST:PORT/],
  ])('is not %s', async (args, reason) => {
    const { code, stderr } = await call(new Root(), args).ended;
    expect(code).toBe(2);
    expect(stderr).toMatch(reason);
  });

  it('is everywhere with --api-public, for those who know its name and its key', async () => {
    const api = await startApi(new Root(), ['--api', '0.0.0.0:0', '--api-public', '--api-host', 'box.test']);
    const port = new URL(api.url).port;
    const ask = async (host: string, key = api.key): Promise<number> => {
      const headers = { host, authorization: `Bearer ${key}` };
      const [response] = await once(request({ port, path: '/api/tokens', headers }).end(), 'response');
      response.resume();
      return response.statusCode;
    };
    expect(await ask('box.test')).toBe(200);
    expect(await ask(`box.test:${port}`)).toBe(200);
    expect(await ask('box.test', 'wrong')).toBe(401);
    expect(await ask('other.test')).toBe(403);
  });

  it('is not a port that is taken: one line, and exit code 1', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void other.close());
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const root = new Root();
    const { code, stdout, stderr } = await run(root.path, ['--api', String(port)]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(new RegExp(`^token-refresher: the API cannot listen at 127.0.0.1:${port}: another .*\\n$`));
    expect(root.has('token_refresher.pid')).toBe(false);
  });
});

describe('a socket in the file system', () => {
  const ask = (socketPath: string, path: string, key: string, method = 'GET'): Promise<{ status: number }> => {
    const headers = { authorization: `Bearer ${key}` };
    return new Promise((resolve, reject) => {
      request({ socketPath, path, headers, method }, (response) => {
        response.resume().once('end', () => resolve({ status: response.statusCode ?? 0 }));
      })
        .on('error', reject)
        .end();
    });
  };
  const startAt = async (root: Root, socket: string) => {
    root.remove('token_refresher.log');
    const started = start(root.path, ['--api', `unix:${socket}`]);
    await until(() => root.has('token_refresher.log') && logOf(root).includes('listening at unix:'), 'a socket');
    return { ...started, path: root.full(socket), key: root.text(KEY).trim() };
  };

  it('is its owner’s alone, and gone when the daemon is', async () => {
    const root = new Root().write(...egress('acme', 'thing', 'made-up-access'));
    const { path, key, process, ended } = await startAt(root, 'api.sock');
    expect(lstatSync(path).isSocket()).toBe(true);
    expect(root.mode('api.sock')).toBe(0o600);
    expect(await ask(path, '/api/tokens/acme-thing', key)).toMatchObject({ status: 200 });
    expect(await ask(path, '/api/tokens/acme-thing', 'wrong')).toMatchObject({ status: 401 });
    for (let n = 0; n < 60; n += 1)
      expect(await ask(path, '/api/tokens/refresh/nothing', key, 'POST')).toMatchObject({ status: 404 });
    expect(await ask(path, '/api/tokens/refresh/nothing', key, 'POST')).toMatchObject({ status: 429 });
    process.kill('SIGTERM');
    expect((await ended).code).toBe(0);
    expect(root.has('api.sock')).toBe(false);
  });

  it('that a killed daemon has left is replaced', async () => {
    const root = new Root();
    const first = await startAt(root, 'api.sock');
    first.process.kill('SIGKILL');
    await first.ended;
    expect(root.has('api.sock')).toBe(true);
    const { path, key } = await startAt(root, 'api.sock');
    expect(await ask(path, '/api/tokens', key)).toMatchObject({ status: 200 });
    expect(root.mode('api.sock')).toBe(0o600);
  });

  it('that another program listens at is left alone, and so is a file', async () => {
    const root = new Root().write('file', 'mine');
    const other = createServer().listen(root.full('api.sock'));
    onTestFinished(() => void other.close());
    await once(other, 'listening');
    const taken = await run(root.path, ['--api', 'unix:api.sock']);
    expect(taken).toMatchObject({ code: 1, stdout: '' });
    expect(taken.stderr).toMatch(/^token-refresher: .*api\.sock: another program does\n$/);
    const file = await run(root.path, ['--api', 'unix:file']);
    expect(file.stderr).toMatch(/^token-refresher: .*file: it is there already, and no socket\n$/);
    expect(root.text('file')).toBe('mine');
    const away = await run(root.path, ['--api', 'unix:no/such/folder.sock']);
    expect(away).toMatchObject({ code: 1, stderr: expect.stringContaining('its folder does not exist') });
    const long = await run(root.path, ['--api', `unix:${'x'.repeat(200)}`]);
    expect(long).toMatchObject({ code: 1, stderr: expect.stringContaining('the path is too long') });
  });
});

describe('the end', () => {
  it('comes after the requests under way', async () => {
    const root = new Root();
    const server = await FaultServer.start();
    root.write('.oauth-tokens/fault-thing-egress.json', server.file({ expires_at: LATER }));
    const api = await startApi(root);
    const release = server.hold();
    const answer = api.get('/api/tokens/refresh/fault-thing', { method: 'POST' });
    await until(() => server.asked.length > 0, 'a request at the provider');
    api.process.kill('SIGTERM');
    await until(() => logOf(root).includes('SIGTERM: finishing what is in flight (1)'), 'that it was heard');
    release();
    expect(await (await answer).json()).toMatchObject({ status: 'success' });
    expect(await api.ended).toMatchObject({ code: 0, stderr: '' });
    expect(root.json('.oauth-tokens/fault-thing-egress.json').refresh_token).toBe(server.newest);
    expect(logOf(root)).toContain('POST /api/tokens/refresh/* 200');
  });

  it('does not wait for those who send half a request or read no answer', async () => {
    const root = new Root();
    const api = await startApi(root);
    const { hostname, port } = new URL(api.url);
    for (const text of ['', 'GET /api/tokens HTTP/1.1\r\nHost: loc', `${POST}content-length: 100\r\n\r\nx`]) {
      const socket = connect(Number(port), hostname);
      onTestFinished(() => void socket.destroy());
      await once(socket, 'connect');
      socket.on('error', () => undefined).write(text);
    }
    await (await api.get('/api/tokens')).text();
    api.process.kill('SIGTERM');
    // They stay, and would be waited for without end.
    expect((await api.ended).code).toBe(0);
  });
});

const POST = 'POST /api/tokens/refresh/x HTTP/1.1\r\nHost: localhost\r\n';

describe('hostile requests', () => {
  it('that are no HTTP, or for no host of ours, are refused in JSON', async () => {
    const api = await startApi(new Root());
    const key = `Authorization: Bearer ${api.key}\r\n`;
    const end = 'Connection: close\r\n\r\n';
    for (const [text, status] of [
      [`GET /api/tokens HTTP/1.0\r\n${key}${end}`, 403],
      [`GET /api/tokens HTTP/1.1\r\n${key}${end}`, 403],
      [`GET /api/tokens HTTP/1.1\r\nHost:\r\n${key}${end}`, 403],
      [`GET /api/tokens HTTP/1.1\r\nHost: evil.example\r\n${key}${end}`, 403],
      [`GET http://evil.example/api/tokens HTTP/1.1\r\nHost: evil.example\r\n${key}${end}`, 403],
      [`GET /api/tokens HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n${key}${end}`, 403],
      [`FROB /api/tokens HTTP/1.1\r\nHost: localhost\r\n${key}${end}`, 400],
      [`PROPFIND /api/tokens HTTP/1.1\r\nHost: localhost\r\n${key}${end}`, 404],
      [`CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n${key}${end}`, null],
      [`GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n${key}${end}`, 431],
      [`GET /api/tokens HTTP/1.1\r\nHost: localhost\r\n${key}Content-Length: 3\r\n${end}abc`, 200],
      ['\u0016\u0003\u0001\u0000', 400],
    ] as const) {
      const answer = await raw(api, text);
      if (status === null) continue;
      expect([text.slice(0, 60), answer.split('\r\n')[0]]).toEqual([
        text.slice(0, 60),
        expect.stringMatching(new RegExp(`^HTTP/1\\.1 ${status} `)),
      ]);
      expect(answer).toMatch(/content-type: application\/json/i);
      expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toBeTypeOf('object');
      expect(answer).not.toContain(api.key);
    }
    expect((await api.get('/api/tokens')).status).toBe(200);
  });

  it('with a large body end with 413', async () => {
    const api = await startApi(new Root());
    for (const body of [
      `content-length: 100000\r\n\r\n${'x'.repeat(100_000)}`,
      `transfer-encoding: chunked\r\n\r\n${`400\r\n${'x'.repeat(1024)}\r\n`.repeat(4)}0\r\n\r\n`,
    ]) {
      const answer = await raw(api, `${POST}Authorization: Bearer ${api.key}\r\nConnection: close\r\n${body}`);
      expect(answer).toMatch(/^HTTP\/1\.1 413 /);
      expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toMatchObject({ error: expect.any(String) });
    }
    expect((await api.get('/api/tokens')).status).toBe(200);
  });

  it('of 2,000 slow connections keep the daemon from nothing, and leave nothing', async () => {
    const root = new Root();
    const server = await FaultServer.start();
    const api = await startApi(root);
    const { hostname, port } = new URL(api.url);
    const open = (): number => readdirSync(`/proc/${api.pid}/fd`).length;
    await (await api.get('/api/tokens')).text();
    const before = open();
    const sockets: Socket[] = [];
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
    });
    for (let n = 0; n < 2000; n += 1) {
      const socket = connect(Number(port), hostname);
      socket.on('error', () => undefined).write('GET /api/tokens HTTP/1.1\r\nHost: localhost\r\nX-Slow: ');
      sockets.push(socket);
    }
    await until(() => open() > before + 400, 'slow connections');
    expect(open()).toBeLessThan(before + 600);
    root.write('.oauth-tokens/fault-thing-egress.json', server.file());
    await until(() => root.json('.oauth-tokens/fault-thing-egress.json').refresh_token === server.newest, 'a refresh');
    // While they are there: the oldest of them gives way.
    for (let n = 0; n < 20; n += 1) expect((await api.get('/api/tokens')).status).toBe(200);
    expect(open()).toBeGreaterThan(before + 400);
    await until(() => open() <= before + 2, 'the end of all connections');
  });
});

it('who waits for an answer is not the one that gives way to another', async () => {
  const root = new Root();
  const server = await FaultServer.start();
  const release = server.hold();
  root.write('.oauth-tokens/fault-thing-egress.json', server.file({ expires_at: LATER }));
  const api = await startApi(root);
  const { hostname, port } = new URL(api.url);
  const waiting = api.get('/api/tokens/refresh/fault-thing', { method: 'POST' });
  await until(() => server.asked.length === 1, 'the token request');
  const opened: Socket[] = [];
  onTestFinished(() => {
    for (const socket of opened) socket.destroy();
  });
  let lost = 0;
  const head = `POST /api/tokens/refresh/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${api.key}\r\n`;
  for (let n = 0; n < 700; n += 1) {
    const socket = connect(Number(port), hostname);
    socket
      .on('error', () => undefined)
      .on('close', () => {
        lost += 1;
      });
    // Silent ones, and requests whose body does not come to its end.
    if (n % 2 === 0) socket.write(`${head}Content-Length: 50\r\n\r\nhalf`);
    opened.push(socket);
  }
  await until(() => lost > 150, 'those that give way');
  release();
  expect((await waiting).status).toBe(200);
});

describe('the log at DEBUG', () => {
  it('has no token, no key and no query', async () => {
    const root = new Root();
    const server = await FaultServer.start();
    root.write('.oauth-tokens/fault-thing-egress.json', server.file({ scope: 'invented-scope' }));
    const api = await startApi(root, ['--log-level', 'DEBUG']);
    await (await api.get('/api/tokens/fault-thing?user_id=invented-user')).text();
    await (await api.get('/api/tokens/fault-thing')).text();
    server.next.push(refusal('invalid_grant'));
    await (await api.get('/api/tokens/refresh/fault-thing', { method: 'POST' })).text();
    await (await api.get('/invented-path?invented-query')).text();
    await (await fetch(`${api.url}/api/tokens`, { headers: { authorization: 'Bearer invented-key' } })).text();
    await (await fetch(`${api.url}/api/tokens/%zz-invented`)).text();
    api.process.kill('SIGTERM');
    const { stdout, stderr } = await api.ended;
    const said = logOf(root) + stdout + stderr;
    expect(said).toContain('GET /api/tokens/* 200');
    expect(said).toContain('POST /api/tokens/refresh/* 502');
    expect(said).not.toMatch(/invented-(user|path|query|key)|made-up-(access|refresh|client)/);
    expect(said).not.toContain(api.key);
  });
});
