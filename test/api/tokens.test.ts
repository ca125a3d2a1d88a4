import { describe, expect, it } from 'vitest';
import { apiFor } from '../fixtures/api.js';
import { answered, FakeClock, ListEndpoint, UNREACHABLE } from '../fixtures/app.js';
import { ownCredentials } from '../fixtures/fault-server.js';
import { Root } from '../fixtures/root.js';

const NOW = 1_800_000_000;
const GRAPH = 'https://graph.microsoft.com/.default';
const MISSING = { error: 'Token not found', message: 'No valid token found for the specified scope' };

/** A token that lives for another day, unless it is told otherwise. */
function token(root: Root, name: string, fields: object = {}): Root {
  return root.write(`.oauth-tokens/acme-${name}-egress.json`, {
    provider: 'acme',
    access_token: `access-of-${name}`,
    refresh_token: `refresh-of-${name}`,
    expires_at: NOW + 86_400,
    ...ownCredentials('https://as.example.com/token'),
    ...fields,
  });
}

async function apiWith(root: Root, more: Parameters<typeof apiFor>[1] = {}) {
  const clock = new FakeClock(NOW);
  const endpoint = new ListEndpoint(clock);
  return { ...(await apiFor(root, { clock, endpoint, ...more })), endpoint };
}

const path = (scope: string): string => `/api/tokens/${encodeURIComponent(scope)}`;

describe('GET /api/tokens/{scope}', () => {
  it('gives the token of a scope, or of a name', async () => {
    const api = await apiWith(token(new Root(), 'graph', { scope: GRAPH }));
    const body = { token: 'access-of-graph', expires_on: NOW + 86_400, scope: GRAPH, refresh_count: 0 };
    for (const asked of [path(GRAPH), `/api/tokens/${GRAPH}`, path('acme-graph'), `${path(GRAPH)}?user_id=`]) {
      expect(await api.json(asked)).toEqual({ status: 200, body });
    }
    expect(api.endpoint.asked).toEqual([]);
  });

  it('may not be kept by anybody', async () => {
    const api = await apiWith(token(new Root(), 'graph'));
    const { headers } = await api.ask(path('acme-graph'));
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'content-type': 'application/json; charset=utf-8',
      'x-content-type-options': 'nosniff',
    });
  });

  it('refreshes it first when it is due, and once for all that ask', async () => {
    const api = await apiWith(token(new Root(), 'graph', { scope: GRAPH, expires_at: NOW + 5 }));
    const all = await Promise.all(Array.from({ length: 20 }, () => api.json(path(GRAPH))));
    const body = { token: 'access-2', expires_on: NOW + 3600, scope: GRAPH, refresh_count: 1 };
    for (const one of all) expect(one).toEqual({ status: 200, body });
    expect(api.endpoint.asked).toHaveLength(1);
  });

  it('refreshes one that has become due since the last cycle', async () => {
    const api = await apiWith(token(new Root(), 'graph'));
    await api.cycle();
    api.clock.pass(86_400);
    expect((await api.json(path('acme-graph'))).body).toMatchObject({ token: 'access-2', refresh_count: 1 });
    expect((await api.json(path('acme-graph'))).body).toMatchObject({ token: 'access-2', refresh_count: 1 });
  });

  it('gives one that could not be refreshed, while it lives', async () => {
    const api = await apiWith(token(new Root(), 'graph', { expires_at: NOW + 5 }));
    api.endpoint.next.push(UNREACHABLE);
    expect((await api.json(path('acme-graph'))).body).toMatchObject({ token: 'access-of-graph', refresh_count: 0 });
  });

  it('has none that has expired', async () => {
    const api = await apiWith(token(new Root(), 'graph', { expires_at: NOW - 5 }));
    api.endpoint.next.push(answered(400, { error: 'invalid_grant' }));
    const body = { ...MISSING, scope: 'acme-graph' };
    expect(await api.json(path('acme-graph'))).toEqual({ status: 404, body });
  });

  it('tells whose it is by user_id', async () => {
    const root = new Root().write('.kroger_tokens.json', {
      user_tokens: {
        anna: { access_token: 'access-anna', expires_at: NOW + 86_400, scope: 'cart' },
        ben: { access_token: 'access-ben', expires_at: NOW + 86_400, scope: 'cart' },
      },
      client_credentials: { access_token: 'access-own', expires_at: NOW + 86_400, scope: 'products' },
    });
    const { json } = await apiWith(root);
    expect((await json('/api/tokens/cart?user_id=anna')).body.token).toBe('access-anna');
    expect((await json('/api/tokens/cart?user_id=ben')).body.token).toBe('access-ben');
    expect((await json('/api/tokens/products')).body.token).toBe('access-own');
    expect((await json('/api/tokens/cart?user_id=carl')).status).toBe(404);
    expect((await json('/api/tokens/products?user_id=anna')).status).toBe(404);
    expect((await json('/api/tokens/cart?user_id=anna&user_id=ben')).status).toBe(400);
  });

  it.each([
    ['nothing', '', ''],
    ['a parent folder', encodeURIComponent('../../etc/passwd'), '../../etc/passwd'],
    ['a parent folder in raw slashes', '../../.oauth-tokens/x', null],
    ['a file of ours', '.token-refresher%2Fapi-key', '.token-refresher/api-key'],
    ['a null byte', 'a%00b', 'a\u0000b'],
    ['10 KB', 'x'.repeat(10_240), 'x'.repeat(10_240)],
    ['Unicode', encodeURIComponent('ключ 🔑'), 'ключ 🔑'],
    ['a percent sign', '100%25', '100%'],
    ['a percent sign that looks like an escape', '%252F', '%2F'],
    ['a name of Object', '__proto__', '__proto__'],
    ['markup', '%3Cscript%3E', '<script>'],
  ])('knows no token of %s', async (_, asked, scope) => {
    const { ask } = await apiWith(token(new Root(), 'graph'));
    const answer = await ask(`/api/tokens/${asked}`);
    expect(answer.statusCode).toBe(404);
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
    if (scope !== null) expect(answer.json()).toEqual({ ...MISSING, scope });
  });

  it.each(['100%25', '%252F', encodeURIComponent('ключ 🔑'), 'a%20b+c', encodeURIComponent('read write?x=1#y;z')])(
    'finds a scope as odd as %s',
    async (asked) => {
      const scope = decodeURIComponent(asked);
      const { json } = await apiWith(token(new Root(), 'odd', { scope }));
      expect((await json(`/api/tokens/${asked}`)).body).toMatchObject({ token: 'access-of-odd', scope });
    },
  );

  it.each(['%', '%zz', '%E0%A4%A', '%c0%ae'])('refuses %s, which is no address', async (asked) => {
    const { ask } = await apiWith(new Root());
    const answer = await ask(`/api/tokens/${asked}`);
    expect(answer.statusCode).toBe(400);
    expect(answer.headers).toMatchObject({ 'cache-control': 'no-store' });
    expect(answer.json()).toEqual({ error: 'Bad request', message: 'the address is not a valid one' });
  });
});

describe('GET /api/tokens', () => {
  it('lists what can be used now, and no token', async () => {
    const root = token(token(new Root(), 'graph', { scope: GRAPH }), 'old', { expires_at: NOW - 5 });
    root.write('.kroger_tokens.json', {
      user_tokens: {
        anna: { access_token: 'access-anna', expires_at: NOW + 86_400.5, scope: 'cart', refreshed_at: NOW - 60.5 },
      },
    });
    const api = await apiWith(root);
    const { status, body } = await api.json('/api/tokens');
    expect(status).toBe(200);
    expect(body).toEqual({
      count: 2,
      tokens: expect.arrayContaining([
        {
          scope: GRAPH,
          expires_on: NOW + 86_400,
          stored_at: NOW,
          refresh_count: 0,
          key: `annika:tokens:agent:${GRAPH}`,
        },
        {
          scope: 'cart',
          expires_on: NOW + 86_400,
          stored_at: expect.any(Number),
          refresh_count: 0,
          user_id: 'anna',
          key: 'annika:tokens:user:anna:cart',
        },
      ]),
    });
    expect(JSON.stringify(body)).not.toMatch(/access-|refresh-of/);
  });

  it('is empty where there is nothing', async () => {
    expect(await (await apiWith(new Root())).json('/api/tokens')).toEqual({
      status: 200,
      body: { count: 0, tokens: [] },
    });
  });
});

describe('GET /api/tokens/health', () => {
  it.each([
    [null, 200, 'healthy', false],
    [true, 200, 'healthy', true],
    [false, 503, 'unhealthy', false],
  ])('with Redis %s answers %i', async (connected, code, status, redis_connected) => {
    const api = await apiWith(token(new Root(), 'graph'), { redis: () => connected });
    expect(await api.json('/api/tokens/health')).toEqual({
      status: code,
      body: { status, redis_connected, active_token_count: 1, timestamp: NOW },
    });
  });
});

describe('POST /api/tokens/refresh/{scope}', () => {
  const post = { method: 'POST' } as const;

  it('refreshes one that is not due', async () => {
    const api = await apiWith(token(new Root(), 'graph', { scope: GRAPH }));
    for (const scope of [encodeURIComponent(GRAPH), GRAPH]) {
      expect(await api.json(`/api/tokens/refresh/${scope}`, post)).toEqual({
        status: 200,
        body: { status: 'success', message: `Token refreshed for scope: ${GRAPH}`, scope: GRAPH },
      });
    }
    expect(api.endpoint.asked.map(({ spent }) => spent)).toEqual(['refresh-of-graph', 'refresh-2']);
    expect((await api.json(path(GRAPH))).body).toMatchObject({ token: 'access-3', refresh_count: 2 });
  });

  it('refreshes one anew that has just been refreshed, by whomever', async () => {
    const root = token(new Root(), 'graph', { expires_at: NOW + 5 });
    const api = await apiWith(root);
    expect((await api.json(path('acme-graph'))).body.token).toBe('access-2');
    expect((await api.json('/api/tokens/refresh/acme-graph', post)).status).toBe(200);
    expect((await api.json(path('acme-graph'))).body.token).toBe('access-3');
    await api.cycle();
    const file = '.oauth-tokens/acme-graph-egress.json';
    root.write(file, { ...root.json(file), access_token: 'of-another-process' });
    expect((await api.json('/admin/tokens/refresh', post)).body.results).toEqual({ 'acme-graph': 'success' });
    expect(api.endpoint.asked).toHaveLength(3);
  });

  it('says that there is none', async () => {
    const api = await apiWith(new Root());
    expect(await api.json('/api/tokens/refresh/nothing', post)).toEqual({
      status: 404,
      body: { ...MISSING, scope: 'nothing' },
    });
  });

  it.each([
    ['refuses', answered(400, { error: 'invalid_grant' }), 'invalid_grant'],
    ['is away', UNREACHABLE, 'the server refuses connections'],
  ])('answers 502 and why when the provider %s', async (_, exchange, why) => {
    const api = await apiWith(token(new Root(), 'graph'));
    api.endpoint.next.push(exchange);
    const { status, body } = await api.json('/api/tokens/refresh/acme-graph', post);
    expect(status).toBe(502);
    expect(body).toEqual({
      error: 'Token refresh failed',
      message: expect.stringContaining(why),
      scope: 'acme-graph',
    });
  });

  it('answers 502 and why when nothing says how', async () => {
    const api = await apiWith(token(new Root(), 'graph', { refresh_token: undefined }));
    const { status, body } = await api.json('/api/tokens/refresh/acme-graph', post);
    expect({ status, message: body.message }).toEqual({
      status: 502,
      message: expect.stringContaining('refresh token'),
    });
  });

  it('is not done too often', async () => {
    const api = await apiWith(new Root());
    for (let n = 0; n < 60; n += 1) expect((await api.ask('/api/tokens/refresh/nothing', post)).statusCode).toBe(404);
    const answer = await api.ask('/api/tokens/refresh/nothing', post);
    expect(answer.statusCode).toBe(429);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect(answer.json()).toEqual({ error: expect.stringContaining('too many refreshes') });
    expect((await api.ask('/api/tokens')).statusCode).toBe(200);
  });

  it('takes no notice of a body, within bounds', async () => {
    const api = await apiWith(token(new Root(), 'graph'));
    const send = (payload: string | Buffer, type?: string) => {
      const headers = type === undefined ? {} : { 'content-type': type };
      return api.json('/api/tokens/refresh/acme-graph', { method: 'POST', payload, headers });
    };
    expect((await send('{"a":1}', 'application/json')).status).toBe(200);
    expect((await send('{"a":', 'application/json')).status).toBe(200);
    expect((await send('a=1', 'application/x-www-form-urlencoded')).status).toBe(200);
    expect((await send('a')).status).toBe(200);
    const large = await send(Buffer.alloc(100_000), 'application/octet-stream');
    expect(large).toEqual({ status: 413, body: { error: expect.any(String) } });
  });
});

describe('methods', () => {
  it.each(['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'POST'] as const)('%s of a token is no route', async (method) => {
    const { json } = await apiWith(token(new Root(), 'graph'));
    const { status, body } = await json(path('acme-graph'), { method });
    expect({ status, error: body.error }).toEqual({ status: 404, error: 'Not found' });
  });

  it.each(['PUT', 'OPTIONS', 'POST'] as const)('%s without the key is refused first', async (method) => {
    const { json } = await apiWith(new Root());
    const { status, body } = await json(path('acme-graph'), { method, headers: { authorization: '' } });
    expect({ status, error: body.error }).toEqual({ status: 401, error: 'Unauthorized' });
  });

  it('HEAD has what GET has but for the body', async () => {
    const { ask } = await apiWith(token(new Root(), 'graph'));
    const [get, head] = [await ask(path('acme-graph')), await ask(path('acme-graph'), { method: 'HEAD' })];
    expect({ status: head.statusCode, body: head.body }).toEqual({ status: 200, body: '' });
    expect(head.headers['content-length']).toBe(get.headers['content-length']);
    expect((await ask(path('acme-graph'), { method: 'HEAD', headers: { authorization: '' } })).statusCode).toBe(401);
  });
});

describe('among many tokens', () => {
  const COUNT = 120;
  const many = (): Root => {
    const root = new Root();
    for (let n = 0; n < COUNT; n += 1) token(root, `t${String(n).padStart(3, '0')}`, { scope: `scope-${n}` });
    return root;
  };
  /** How often everything was looked at. */
  const countLooks = async (root: Root) => {
    const api = await apiWith(root);
    await api.cycle();
    let looks = 0;
    const { look } = api.app;
    Object.assign(api.app, {
      look() {
        looks += 1;
        return look();
      },
    });
    return { ...api, looks: () => looks };
  };

  it('one is found, refreshed and given without a look at the others', async () => {
    const api = await countLooks(many());
    for (const asked of ['acme-t007', 'scope-7']) {
      expect((await api.json(path(asked))).body.token).toBe('access-of-t007');
    }
    api.clock.pass(86_390);
    const { body } = await api.json(path('scope-9'));
    expect(body).toMatchObject({ token: 'access-2', refresh_count: 1 });
    expect((await api.json('/api/tokens/refresh/scope-9', { method: 'POST' })).status).toBe(200);
    expect((await api.json(path('acme-t009'))).body).toMatchObject({ token: 'access-3', refresh_count: 2 });
    expect(api.looks()).toBe(0);
    const { tokens } = (await api.json('/api/tokens')).body;
    expect(tokens.find(({ scope }: { scope: string }) => scope === 'scope-9')).toMatchObject({ refresh_count: 2 });
  });

  it('a cycle that began before a refresh does not bring the old token back', async () => {
    const api = await countLooks(many());
    const before = await api.cycle();
    await api.json('/api/tokens/refresh/scope-9', { method: 'POST' });
    api.found(before);
    expect((await api.json(path('scope-9'))).body).toMatchObject({ token: 'access-2', refresh_count: 1 });
    await api.cycle();
    expect((await api.json(path('scope-9'))).body).toMatchObject({ token: 'access-2', refresh_count: 1 });
  });

  it('what is renamed, removed or added is known after the next cycle', async () => {
    const root = many();
    const api = await countLooks(root);
    await api.json(path('scope-9'));
    token(root, 't009', { scope: 'another' });
    await api.cycle();
    expect((await api.json(path('another'))).body.token).toBe('access-of-t009');
    expect((await api.json(path('scope-9'))).status).toBe(404);
    root.remove('.oauth-tokens/acme-t010-egress.json');
    await api.cycle();
    await api.cycle(1);
    expect((await api.json(path('scope-10'))).status).toBe(404);
    expect((await api.json(path('scope-11'))).body.token).toBe('access-of-t011');
  });

  it('are listed in pages', async () => {
    const api = await countLooks(many());
    const all = (await api.json('/api/tokens')).body;
    expect(all).toMatchObject({ count: COUNT });
    expect(Object.keys(all).sort()).toEqual(['count', 'tokens']);
    expect(all.tokens).toHaveLength(COUNT);
    const seen = [];
    for (let offset: number | undefined = 0; offset !== undefined; ) {
      const { body } = await api.json(`/api/tokens?limit=50&offset=${offset}`);
      expect(body.count).toBe(COUNT);
      expect(body.tokens.length).toBeLessThanOrEqual(50);
      seen.push(...body.tokens);
      offset = body.next_offset;
    }
    expect(seen).toEqual(all.tokens);
    expect((await api.json('/api/tokens?limit=0')).body).toEqual({ count: COUNT, tokens: [] });
    expect((await api.json('/api/tokens?limit=5&offset=999')).body).toEqual({ count: COUNT, tokens: [] });
    for (const query of ['limit=-1', 'limit=x', 'limit=1.5', 'offset=', 'limit=1&limit=2']) {
      expect((await api.json(`/api/tokens?${query}`)).status).toBe(400);
    }
  });

  it('the report comes in pages, too, what needs attention first', async () => {
    const root = many();
    root.write('.oauth-tokens/acme-ended-egress.json', { provider: 'acme', access_token: 'ended', expires_at: 5 });
    const api = await countLooks(root);
    const whole = (await api.json('/admin/status')).body;
    expect(whole.tokens).toHaveLength(COUNT + 1);
    expect(whole.counts).toBeUndefined();
    const { body } = await api.json('/admin/status?limit=10');
    expect(body.tokens).toHaveLength(10);
    expect(body.tokens[0]).toMatchObject({ name: 'acme-ended', state: 'expired' });
    expect(body.counts).toMatchObject({ tokens: COUNT + 1, matching: COUNT + 1, attention: 1, needs_login: 0 });
    const { body: found } = await api.json('/admin/status?limit=10&search=T00');
    expect(found.counts.matching).toBe(10);
    expect(found.tokens.map(({ name }: { name: string }) => name)).toContain('acme-t007');
    expect((await api.json('/admin/status?limit=x')).status).toBe(400);
  });
});
