import { networkInterfaces } from 'node:os';
import { describe, expect, test } from 'vitest';
import { HostileServer } from '../fixtures/hostile-server.js';
import { startLogin } from '../fixtures/login.js';
import { run } from '../fixtures/program.js';
import { define, open } from '../fixtures/registry.js';
import { Root } from '../fixtures/root.js';

const CLIENT = { ACME_ID: 'made-up-client', ACME_SECRET: 'made-up-client-secret', ACME_SCOPE: 'made-up-scope' };

/** An address of this machine that is not the loopback's: a server there is elsewhere. */
const ELSEWHERE = Object.values(networkInterfaces())
  .flatMap((all) => all ?? [])
  .find(({ internal, family, address }) => !internal && family === 'IPv4' && !address.startsWith('169.254.'))?.address;

function authenticated(root: Root, server: HostileServer, more: object = {}): void {
  define(root, 'thing.json', { ...open('thing'), mcp_endpoint: server.url, auth_type: 'oauth', ...more });
}

describe('a server that names the issuer of a provider which the user has a client for', () => {
  /** The user's own provider; its issuer is whom the server names. */
  async function scene(more: object = {}) {
    const root = new Root();
    const issuer = await HostileServer.start();
    const server = await HostileServer.start();
    server.answers.set('/.well-known/oauth-protected-resource/mcp', {
      resource: server.url,
      authorization_servers: [issuer.origin],
    });
    root.write('registry/providers/acme.json', {
      provider: 'acme',
      issuer: issuer.origin,
      token_endpoint: `${issuer.origin}/token`,
      authorization_endpoint: `${issuer.origin}/authorize`,
      scopes: ['everything'],
      parameters: { authorize: { prompt: 'none' }, token: { made_up_parameter: 'yes' } },
      environment: { client_id: 'ACME_ID', client_secret: 'ACME_SECRET', scope: 'ACME_SCOPE' },
    });
    authenticated(root, server, more);
    return { root, issuer, server };
  }

  test.each([
    ['a definition', {}],
    [
      'a numbered set of the environment',
      {
        EGRESS_PROVIDER_NAME_1: '127-0-0-1',
        EGRESS_OAUTH_CLIENT_ID_1: 'made-up-client',
        EGRESS_OAUTH_CLIENT_SECRET_1: 'made-up-client-secret',
        EGRESS_OAUTH_SCOPE_1: 'made-up-scope',
      },
    ],
  ])('gets a client that is registered for it, not the one of %s', async (_, environment) => {
    const { root, issuer } = await scene();
    const login = startLogin(root, ['login', 'thing'], { ...CLIENT, ...environment });
    const address = new URL(await login.address);
    const { client_id, scope, prompt } = Object.fromEntries(address.searchParams);
    expect({ client_id, scope, prompt }).toEqual({ client_id: 'hostile-client', scope: undefined, prompt: undefined });
    const answer = new URLSearchParams({ code: 'made-up-code', state: address.searchParams.get('state') ?? '' });
    await fetch(`${address.searchParams.get('redirect_uri')}?${answer}`);
    const { code, stdout } = await login.ended;
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/thing: logged in/) });
    expect(issuer.all).not.toMatch(/made-up-(?!code)/);
    const [, file = ''] = /kept in (\S+),/.exec(stdout) ?? [];
    // Its file brings no client and no parameters of the user's with it at a refresh either.
    expect(root.json(file)).toMatchObject({ client_id: 'hostile-client', client_registration: 'dynamic' });
    expect(
      ['acme', '127-0-0-1'].filter((name) => 'EGRESS_PROVIDER_NAME_1' in environment || name === 'acme'),
    ).not.toContain(root.json(file).provider);
  });

  test('is refused where none is registered, with what to set; and set, the client is used', async () => {
    const { root, issuer } = await scene();
    issuer.metadata = { registration_endpoint: undefined };
    const { code, stderr } = await run(root.path, ['login', 'thing'], CLIENT);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(
        /add "auth_provider": "acme" to registry\/servers\/thing\.json; nothing was written\n$/,
      ),
    });
    expect(issuer.all).not.toContain('made-up');
    define(root, 'thing.json', { ...root.json('registry/servers/thing.json'), auth_provider: 'acme' });
    const login = startLogin(root, ['login', 'thing'], CLIENT);
    expect(new URL(await login.address).searchParams.get('client_id')).toBe('made-up-client');
    login.interrupt();
    await login.ended;
  });
});

describe.skipIf(ELSEWHERE === undefined)('a server elsewhere leads no request to this machine', () => {
  const at = (url: string): ((server: HostileServer) => void) => {
    return (server) =>
      server.answers.set('/.well-known/oauth-protected-resource/mcp', {
        resource: server.url,
        authorization_servers: [url],
      });
  };
  const names =
    (field: string, path: string) =>
    (server: HostileServer, victim: string): void => {
      server.metadata = { [field]: `${victim}${path}` };
    };
  const spelt = (victim: string, host: string): string => victim.replace('127.0.0.1', host);

  test.each<[what: string, prepare: (server: HostileServer, victim: string) => void, args?: string[]]>([
    ['authorization_servers', (server, victim) => at(victim)(server)],
    ['authorization_servers, by name', (server, victim) => at(spelt(victim, 'localhost'))(server)],
    ['authorization_servers, of IPv6', (server, victim) => at(spelt(victim, '[::ffff:127.0.0.1]'))(server)],
    ['authorization_servers, as a number', (server, victim) => at(spelt(victim, '2130706433'))(server)],
    ['authorization_servers, of no address', (server, victim) => at(spelt(victim, '0.0.0.0'))(server)],
    ['authorization_servers, that of clouds', (server) => at('http://169.254.169.254')(server)],
    [
      'its challenge',
      (server, victim) =>
        server.answers.set('/mcp', (response) =>
          response.writeHead(401, { 'www-authenticate': `Bearer resource_metadata="${victim}/x"` }).end(),
        ),
    ],
    ['registration_endpoint', names('registration_endpoint', '/register')],
    ['token_endpoint', names('token_endpoint', '/token')],
    ['authorization_endpoint', names('authorization_endpoint', '/authorize')],
    ['device_authorization_endpoint', names('device_authorization_endpoint', '/device'), ['--device']],
  ])('by %s', async (_, prepare, args = []) => {
    const root = new Root();
    const victim = await HostileServer.start();
    const server = await HostileServer.start(ELSEWHERE);
    prepare(server, victim.origin);
    authenticated(root, server);
    const { code, stderr } = await run(root.path, ['login', 'thing', '--allow-http', '--no-browser', ...args]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/nothing was written\n$/) });
    expect(victim.heard).toEqual([]);
    expect(server.to('/register')).toEqual([]);
    expect(root.has('.oauth-tokens')).toBe(false);
  });

  test('an honest one is asked as ever', async () => {
    const root = new Root();
    const server = await HostileServer.start(ELSEWHERE);
    authenticated(root, server);
    const login = startLogin(root, ['login', 'thing', '--allow-http']);
    expect((await login.address).startsWith(`${server.origin}/authorize`)).toBe(true);
    login.interrupt();
    await login.ended;
  });
});
