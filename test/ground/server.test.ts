import { describe, expect, it } from 'vitest';
import { keyOf, readServer, serverUrl } from '../../src/ground/server.js';

describe('keys', () => {
  it.each([
    ['tracker', 'tracker'],
    ['a/b/c', 'a-b-c'],
    ['Current Time API', 'Current-Time-API'],
    ['_a-b_', '_a-b_'],
    ['--a--', 'a'],
    ['ünder', 'nder'],
    ['日本', ''],
    ['', ''],
    ['x'.repeat(300), 'x'.repeat(64)],
  ])('%j', (name, key) => {
    expect(keyOf(name)).toBe(key);
    expect(key).toMatch(/^[A-Za-z0-9_-]*$/);
  });

  it('of a definition: its path, else its name, else its file', () => {
    const key = (definition: Record<string, unknown>) => readServer('registry/servers/file.json', definition)?.key;
    expect(key({ path: '/a/', server_name: 'n' })).toBe('a');
    expect(key({ path: '/', server_name: 'n' })).toBe('n');
    expect(key({ server_name: 'n' })).toBe('n');
    expect(key({ server_name: '日本' })).toBe('file');
    expect(readServer('registry/servers/日本.json', { server_name: '日本' })).toBeNull();
  });
});

describe('addresses', () => {
  const url = (definition: object, registry: string | null) => {
    const server = readServer('f.json', { server_name: 'f', ...definition });
    return server && serverUrl(server, registry);
  };
  const sse = { supported_transports: ['sse'] };
  it.each<[definition: object, registry: string | null, url: string | null]>([
    [{ path: '/a' }, 'https://g', 'https://g/a/mcp'],
    [{ path: '/a/' }, 'https://g/', 'https://g/a/mcp'],
    [{ path: '/a' }, 'https://g/base//', 'https://g/base/a/mcp'],
    [{ path: '/a/mcp/' }, 'https://g', 'https://g/a/mcp'],
    [{ path: '/a', ...sse }, 'https://g', 'https://g/a/sse'],
    [{ path: '/a/sse', ...sse }, 'https://g', 'https://g/a/sse'],
    [{ path: '/a', supported_transports: [] }, 'https://g', 'https://g/a/mcp'],
    [{ path: '/a', supported_transports: null }, 'https://g', 'https://g/a/mcp'],
    [{ path: '/' }, 'https://g', 'https://g/mcp'],
    [{ mcp_endpoint: 'https://e/x' }, 'https://g', 'https://e/x'],
    [{ path: '/a', mcp_endpoint: 'https://e/x' }, 'https://g', 'https://g/a/mcp'],
    [{ path: '/a', mcp_endpoint: 'https://e/x' }, null, 'https://e/x'],
    [{ path: '/a', proxy_pass_url: 'http://p:8000/' }, null, 'http://p:8000/mcp'],
    [{ path: '/a', proxy_pass_url: 'http://p/sse', ...sse }, null, 'http://p/sse'],
    [{ path: '/a', proxy_pass_url: 'http://p/x?q=1' }, null, 'http://p/x/mcp?q=1'],
    [{ path: '/a', proxy_pass_url: '' }, null, null],
    [{ path: '/a' }, null, null],
  ])('%j behind %s', (definition, registry, expected) => {
    expect(url(definition, registry)).toBe(expected);
  });
});

describe('what else is read', () => {
  it.each<[definition: object, read: object]>([
    [{}, { auth: 'none', enabled: true, sse: false, headers: {}, command: null, token: null }],
    [{ auth_type: null }, { auth: 'none' }],
    [
      { auth_type: 'oauth', auth_provider: 'p', token: 't' },
      { auth: 'oauth', authProvider: 'p', token: 't' },
    ],
    [{ is_enabled: false }, { enabled: false }],
    [{ supported_transports: ['sse', 'streamable-http'] }, { sse: false }],
    [{ headers: [{ A: '1' }, { B: '2', A: '3' }] }, { headers: { A: '3', B: '2' } }],
    [{ headers: { A: '1' } }, { headers: { A: '1' } }],
    [{ headers: null }, { headers: {} }],
    [{ command: 'c', args: ['a'], env: { E: '1' } }, { command: { command: 'c', args: ['a'], env: { E: '1' } } }],
    [{ command: 'c' }, { command: { command: 'c', args: [], env: {} } }],
  ])('%j', (definition, read) => {
    expect(readServer('f.json', { server_name: 'f', ...definition })).toMatchObject(read);
  });
});
