import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { apiFor } from '../fixtures/api.js';
import { answered, FakeClock, ListEndpoint } from '../fixtures/app.js';
import { ownCredentials } from '../fixtures/fault-server.js';
import { Root } from '../fixtures/root.js';

const NOW = 1_800_000_000.25;
const DAY = 86_400;
const STORE = '.kroger_tokens.json';
const recipe = ownCredentials('https://as.example.com/token');

/** Two users and the client's own in a store, one in a file of its own, and one that is wanted and not there yet. */
function store(): Root {
  const root = new Root();
  root.write(STORE, {
    user_tokens: {
      anna: {
        access_token: 'access-anna',
        refresh_token: 'refresh-anna',
        expires_at: NOW + DAY,
        scope: 'cart profile',
        source: 'env_migration',
        ...recipe,
      },
      ben: { access_token: 'access-ben', expires_at: NOW - 60 },
    },
    client_credentials: { access_token: 'access-own', expires_at: NOW + DAY, scope: 'products', ...recipe },
  });
  root.write('.oauth-tokens/acme-thing-egress.json', {
    provider: 'acme',
    access_token: 'access-thing',
    expires_at: NOW + DAY,
  });
  root.write('registry/providers/acme.json', {
    provider: 'acme',
    token_endpoint: 'https://as.example.com/token',
    token_endpoint_auth_method: 'client_secret_post',
    environment: { client_id: 'ACME_ID', client_secret: 'ACME_SECRET' },
  });
  root.write('registry/tokens/machine.json', {
    name: 'machine',
    provider: 'acme',
    grant_type: 'client_credentials',
    scope: 'read',
  });
  return root;
}

async function apiWith(root: Root) {
  const clock = new FakeClock(NOW);
  const endpoint = new ListEndpoint(clock);
  return { ...(await apiFor(root, { clock, endpoint })), endpoint };
}

describe('GET /admin/tokens/status', () => {
  it('tells how every token is', async () => {
    const root = store();
    const { json } = await apiWith(root);
    const { status, body } = await json('/admin/tokens/status');
    expect(status).toBe(200);
    expect(body).toEqual({
      healthy: false,
      issues: expect.any(Array),
      tokens: {
        client_credentials: { valid: true, expires_in_seconds: DAY, status: 'healthy' },
        users: {
          anna: {
            valid: true,
            expires_in_seconds: DAY,
            has_refresh_token: true,
            status: 'healthy',
            source: 'env_migration',
          },
          ben: {
            valid: false,
            expires_in_seconds: 0,
            has_refresh_token: false,
            status: 'expired',
            source: expect.any(String),
          },
        },
        'acme-thing': {
          valid: true,
          expires_in_seconds: DAY,
          has_refresh_token: false,
          status: 'healthy',
          source: 'file',
        },
        machine: {
          valid: false,
          expires_in_seconds: null,
          has_refresh_token: false,
          status: expect.any(String),
          source: 'acquired',
        },
      },
      background_refresh: { running: true, task_exists: true },
      persistence: { file_exists: true, file_path: root.full(STORE) },
    });
    expect(body.issues).toHaveLength(2);
    expect(body.issues.join()).toMatch(/ben.*machine/);
  });

  it('tells of no client_credentials where there are none', async () => {
    const { json } = await apiWith(new Root());
    const { body } = await json('/admin/tokens/status');
    expect(body.tokens).toEqual({
      client_credentials: { valid: false, expires_in_seconds: 0, status: 'missing' },
      users: {},
    });
    expect(body).toMatchObject({ healthy: true, issues: [], persistence: { file_exists: false } });
  });

  it('is healthy once what was wrong is right', async () => {
    const root = store();
    const api = await apiWith(root);
    root.remove('registry/tokens');
    root.write(STORE, { ...root.json(STORE), user_tokens: {} });
    await api.cycle();
    expect((await api.json('/admin/tokens/status')).body).toMatchObject({ healthy: true, issues: [] });
  });
});

describe('GET /admin/tokens', () => {
  it('tells everything but the tokens', async () => {
    const { json, ask } = await apiWith(store());
    expect(await json('/admin/tokens')).toEqual({
      status: 200,
      body: {
        client_credentials: {
          exists: true,
          expires_at: NOW + DAY,
          expires_in_seconds: DAY,
          is_expired: false,
          needs_refresh_soon: false,
          scope: 'products',
        },
        user_tokens: {
          anna: {
            expires_at: NOW + DAY,
            expires_in_seconds: DAY,
            is_expired: false,
            needs_refresh_soon: false,
            has_refresh_token: true,
            scope: 'cart profile',
            source: 'env_migration',
          },
          ben: {
            expires_at: NOW - 60,
            expires_in_seconds: 0,
            is_expired: true,
            needs_refresh_soon: true,
            has_refresh_token: false,
            scope: null,
            source: expect.any(String),
          },
        },
        tokens: {
          'acme-thing': expect.objectContaining({ scope: null, source: 'file' }),
          machine: expect.objectContaining({ expires_at: null, needs_refresh_soon: false, source: 'acquired' }),
        },
        background_refresh_running: true,
        token_file_exists: true,
        current_time: NOW,
      },
    });
    for (const url of ['/admin/tokens', '/admin/tokens/status', '/admin/status', '/metrics']) {
      expect((await ask(url)).body).not.toMatch(/access-|refresh-anna|made-up-client-secret/);
    }
  });

  it('has the same shape where there is nothing', async () => {
    const { json } = await apiWith(new Root());
    expect((await json('/admin/tokens')).body).toEqual({
      client_credentials: {
        exists: false,
        expires_at: null,
        expires_in_seconds: null,
        is_expired: false,
        needs_refresh_soon: false,
        scope: null,
      },
      user_tokens: {},
      tokens: {},
      background_refresh_running: true,
      token_file_exists: false,
      current_time: NOW,
    });
  });
});

describe('POST /admin/tokens/refresh', () => {
  const post = { method: 'POST' } as const;

  it('refreshes every token, and says what became of each', async () => {
    const root = store();
    const { json, endpoint } = await apiWith(root);
    endpoint.next.push(answered(400, { error: 'invalid_scope' }));
    const { status, body } = await json('/admin/tokens/refresh', post);
    expect(status).toBe(200);
    expect(body).toEqual({
      message: 'Manual token refresh completed',
      results: {
        client_credentials: expect.any(String),
        user_anna: expect.any(String),
        user_ben: expect.stringMatching(/^failed: .*refresh token/),
        'acme-thing': expect.stringMatching(/^failed: /),
        machine: expect.stringMatching(/^failed: .*ACME_ID/),
      },
      timestamp: NOW,
    });
    const { client_credentials, user_anna } = body.results;
    expect([client_credentials, user_anna].sort()).toEqual([
      expect.stringMatching(/^failed: .*invalid_scope/),
      'success',
    ]);
    const changed = JSON.stringify(root.json(STORE)).match(/"access-\d+"/g);
    expect(changed).toHaveLength(1);
    expect(JSON.stringify(body)).not.toMatch(/access-/);
  });

  it('is not done too often', async () => {
    const { ask } = await apiWith(new Root());
    for (let n = 0; n < 60; n += 1) expect((await ask('/admin/tokens/refresh', post)).statusCode).toBe(200);
    const answer = await ask('/admin/tokens/refresh', post);
    expect({ status: answer.statusCode, after: Number(answer.headers['retry-after']) > 0 }).toEqual({
      status: 429,
      after: true,
    });
  });
});

it('a user and a token may have any name', async () => {
  const token = { access_token: 'made-up', expires_at: NOW + DAY };
  const names = ['__proto__', 'constructor', 'a/b', '<b>', 'ключ'];
  const users = names.map((name) => `${JSON.stringify(name)}: ${JSON.stringify(token)}`).join();
  const { json } = await apiWith(new Root().write(STORE, `{"user_tokens": {${users}}}`));
  const { body } = await json('/admin/tokens');
  expect(Object.keys(body.user_tokens).sort()).toEqual([...names].sort());
  expect((await json('/admin/tokens/status')).status).toBe(200);
  expect((await json('/admin/tokens/refresh', { method: 'POST' })).status).toBe(200);
});

describe('GET /metrics', () => {
  it('counts refreshes and requests, and tells how long tokens live', async () => {
    const api = await apiWith(store());
    await api.json('/api/tokens/refresh/kroger:anna', { method: 'POST' });
    await api.ask('/api/tokens/whatever-was-asked');
    await api.cycle();
    const { headers, body } = await api.ask('/metrics');
    expect(headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
    const lines = body.split('\n');
    for (const name of ['refreshes_total', 'api_requests_total'])
      expect(lines).toContain(`# TYPE token_refresher_${name} counter`);
    expect(lines).toContain('# TYPE token_refresher_token_expiry_seconds gauge');
    for (const name of ['cycle_duration_seconds', 'render_duration_seconds'])
      expect(lines).toContain(`token_refresher_${name}_count 1`);
    expect(lines).toContain('token_refresher_token_expiry_seconds{token="acme-thing"} 86400');
    expect(lines).toContain('token_refresher_api_requests_total{method="GET",route="/api/tokens/*",status="404"} 1');
    expect(body).toMatch(/token_refresher_refreshes_total\{token="[^"]*anna",outcome="refreshed"\} 1/);
    expect(body).not.toMatch(/whatever|access-/);
  });
});

describe('GET /openapi.json', () => {
  it('has every route, and what they answer is as it says', async () => {
    const api = await apiWith(store());
    const { body: document } = await api.json('/openapi.json');
    expect(document).toMatchObject({ openapi: '3.1.0', info: { title: 'mcp-token-refresher', version: '0.0.0' } });
    expect(Object.keys(document.paths).sort()).toEqual([
      '/admin/status',
      '/admin/tokens',
      '/admin/tokens/refresh',
      '/admin/tokens/status',
      '/api/tokens',
      '/api/tokens/health',
      '/api/tokens/refresh/{scope}',
      '/api/tokens/{scope}',
      '/metrics',
    ]);
    const ajv = new Ajv({ strict: false });
    for (const [path, methods] of Object.entries<Record<string, Operation>>(document.paths)) {
      for (const [method, { parameters = [], responses, summary }] of Object.entries(methods)) {
        expect(summary).toEqual(expect.any(String));
        const inPath = parameters.filter((one) => one.in === 'path').map(({ name, required }) => [name, required]);
        expect(inPath).toEqual(path.includes('{scope}') ? [['scope', true]] : []);
        const verb = method.toUpperCase() as 'GET' | 'POST';
        for (const [scope, status, more] of [
          ['acme-thing', path.includes('refresh/') ? 502 : 200, {}],
          ['products', 200, {}],
          ['nothing', path.includes('{scope}') ? 404 : 200, {}],
          ['nothing', path === '/api/tokens/health' ? 200 : 401, { headers: { authorization: '' } }],
        ] as const) {
          const answer = await api.ask(path.replace('{scope}', scope), { method: verb, ...more });
          expect([path, answer.statusCode]).toEqual([path, status]);
          const [type = '', content] = Object.entries(responses[status]?.content ?? {})[0] ?? [];
          expect([path, status, answer.headers['content-type']]).toEqual([path, status, expect.stringContaining(type)]);
          expect([path, status, type]).not.toContain('');
          if (type !== 'application/json') continue;
          const valid = ajv.validate(content?.schema ?? false, answer.json());
          expect([path, status, valid, ajv.errorsText()]).toEqual([path, status, true, 'No errors']);
        }
      }
    }
  });

  it('says where the key is needed', async () => {
    const { body } = await (await apiWith(new Root())).json('/openapi.json');
    expect(body.components.securitySchemes).toEqual({ key: { type: 'http', scheme: 'bearer' } });
    expect(body.security).toEqual([{ key: [] }]);
    expect(body.paths['/api/tokens/health'].get.security).toEqual([]);
  });
});

interface Operation {
  readonly summary?: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean }[];
  readonly responses: Readonly<Record<number, { readonly content?: Record<string, { readonly schema?: object }> }>>;
}
