import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { apiFor } from '../fixtures/api.js';
import { egress } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';

const ROUTES = [
  ['GET', '/api/tokens'],
  ['GET', '/api/tokens/acme-thing'],
  ['POST', '/api/tokens/refresh/acme-thing'],
  ['GET', '/admin/tokens/status'],
  ['GET', '/admin/tokens'],
  ['POST', '/admin/tokens/refresh'],
  ['GET', '/admin/status'],
  ['GET', '/metrics'],
  ['GET', '/openapi.json'],
  ['GET', '/nowhere'],
] as const;
const OPEN = ['/', '/api/tokens/health'];

const rootWithToken = (): Root => new Root().write(...egress('acme', 'thing', 'made-up-access'));

describe('the key', () => {
  it.each(ROUTES)('is asked for by %s %s', async (method, url) => {
    const api = await apiFor(rootWithToken());
    for (const authorization of [
      '',
      'Bearer',
      'Bearer ',
      'Bearer wrong',
      `Bearer ${api.key}x`,
      `Bearer ${api.key.slice(0, -1)}`,
      `Bearer ${api.key.toUpperCase()}`,
      `Bearer ${api.key} ${api.key}`,
      `Basic ${api.key}`,
      api.key,
    ]) {
      const answer = await api.ask(url, { method, headers: { authorization } });
      expect(answer.statusCode).toBe(401);
      expect(answer.headers).toMatchObject({ 'www-authenticate': 'Bearer', 'cache-control': 'no-store' });
      expect(answer.json()).toEqual({ error: 'Unauthorized', message: expect.stringContaining('api-key') });
      expect(answer.body).not.toContain(api.key);
    }
    expect((await api.ask(url, { method })).statusCode).not.toBe(401);
    expect((await api.ask(url, { method, headers: { authorization: `bearer  ${api.key} ` } })).statusCode).not.toBe(
      401,
    );
  });

  it.each(OPEN)('is not asked for by %s', async (url) => {
    const api = await apiFor(rootWithToken());
    expect((await api.ask(url, { headers: { authorization: '' } })).statusCode).toBe(200);
    expect((await api.ask(url, { headers: { authorization: 'Bearer wrong' } })).statusCode).toBe(200);
  });

  it('is not taken from the address', async () => {
    const api = await apiFor(rootWithToken());
    const url = `/api/tokens?key=${api.key}&access_token=${api.key}`;
    expect((await api.ask(url, { headers: { authorization: '' } })).statusCode).toBe(401);
  });

  it('is asked for by none with --api-open', async () => {
    const api = await apiFor(rootWithToken(), { open: true });
    for (const [method, url] of ROUTES) expect((await api.ask(url, { method })).statusCode).not.toBe(401);
  });
});

describe('a page elsewhere', () => {
  const everything = [...ROUTES, ...OPEN.map((url) => ['GET', url] as const)];

  it.each([
    'evil.example',
    'evil.example:7071',
    'localhost.evil.example',
    '127.0.0.1.evil.example:7071',
    '192.168.1.5',
    'user@localhost',
  ])('reaches nothing by the name "%s" (DNS rebinding)', async (host) => {
    for (const open of [false, true]) {
      const api = await apiFor(rootWithToken(), { open });
      for (const [method, url] of everything) {
        const answer = await api.ask(url, { method, headers: { host } });
        expect(answer.statusCode).toBe(403);
        expect(answer.json()).toMatchObject({ error: 'Forbidden' });
      }
    }
  });

  it.each(['http://evil.example', 'null', 'http://localhost:3000', 'http://127.0.0.1:7071', 'file://', ''])(
    'reaches nothing from the origin "%s"',
    async (origin) => {
      for (const open of [false, true]) {
        const api = await apiFor(rootWithToken(), { open });
        for (const [method, url] of everything) {
          const answer = await api.ask(url, { method, headers: { origin } });
          expect(answer.statusCode).toBe(403);
          expect(answer.headers['access-control-allow-origin']).toBeUndefined();
        }
      }
    },
  );

  it.each([
    'localhost',
    'LOCALHOST:7071',
    '127.0.0.1',
    '127.9.9.9:80',
    '[::1]:7071',
    'my-box',
    'my-box:7071',
    'My-Box',
    '[fd00::1]:7071',
  ])('is one of ours by the name %s', async (host) => {
    const api = await apiFor(rootWithToken(), { hosts: ['My-Box:7071', '[fd00::1]'] });
    expect((await api.ask('/api/tokens', { headers: { host } })).statusCode).toBe(200);
    expect((await api.ask('/api/tokens', { headers: { host, origin: `http://${host}` } })).statusCode).toBe(200);
  });

  it('may have any name on a socket in the file system', async () => {
    const api = await apiFor(rootWithToken(), { local: true });
    expect((await api.ask('/api/tokens', { headers: { host: 'docker' } })).statusCode).toBe(200);
    expect((await api.ask('/api/tokens', { headers: { authorization: '' } })).statusCode).toBe(401);
    expect((await api.ask('/api/tokens', { headers: { origin: 'null' } })).statusCode).toBe(403);
  });
});

describe('the page', () => {
  it('holds no data and lets nothing else in', async () => {
    const api = await apiFor(rootWithToken());
    const { headers, body } = await api.ask('/', { headers: { authorization: '' } });
    expect(body).not.toContain('acme');
    expect(headers['content-type']).toBe('text/html; charset=utf-8');
    expect(headers['cache-control']).toBe('no-store');
    const policy = String(headers['content-security-policy']);
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    for (const rule of [
      "default-src 'none'",
      "connect-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ])
      expect(policy.split('; ')).toContain(rule);
  });
});

describe('the log', () => {
  it('has every request, and of none its query, its token or its key', async () => {
    const api = await apiFor(rootWithToken());
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    await api.ask('/api/tokens/acme-thing?user_id=somebody&access_token=made-up-query');
    await api.ask('/api/tokens/made-up-scope');
    await api.ask('/made-up-path?made-up-query');
    await api.ask('/api/tokens/%zz-made-up');
    await api.ask('/api/tokens', { headers: { authorization: 'Bearer made-up-key' } });
    await api.ask('/api/tokens', { headers: { host: 'made-up-host', origin: 'made-up-origin' } });
    expect(api.log.lines.filter((line) => line.includes('GET'))).toHaveLength(5);
    // The two that were not found are one kind.
    vi.advanceTimersByTime(1000);
    expect(api.log.text).toContain('GET /api/tokens/* 404 (1 more within a second)');
    expect(api.log.text).not.toMatch(/made-up|somebody/);
    expect(api.log.text).not.toContain(api.key);
  });

  it('does not fill with what programs ask every few seconds', async () => {
    const api = await apiFor(rootWithToken());
    for (const url of ['/admin/status', '/metrics', '/api/tokens/health']) await api.ask(url);
    expect(api.log.of('INFO').filter((line) => line.includes('API'))).toEqual([]);
    expect(api.log.of('DEBUG').filter((line) => line.includes('API'))).toHaveLength(3);
    await api.ask('/admin/status', { headers: { authorization: '' } });
    expect(api.log.of('INFO').filter((line) => line.includes('API'))).toEqual(['INFO - API - GET /admin/status 401']);
  });
});
