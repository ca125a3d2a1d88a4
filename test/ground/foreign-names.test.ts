import { describe, expect, it } from 'vitest';
import { parseCall } from '../../src/cli/parse.js';
import { environmentTokens } from '../../src/ground/environment-tokens.js';
import { paramHeaders } from '../../src/ground/mcp-param.js';
import { tokensIn } from '../../src/ground/pasted.js';
import { environmentValue, readProvider } from '../../src/ground/provider.js';
import { recipeFor } from '../../src/ground/recipe.js';
import { readServer } from '../../src/ground/server.js';
import { readToken } from '../../src/ground/token.js';
import { appFor } from '../fixtures/app.js';
import { Root } from '../fixtures/root.js';

/** What every object answers to, without having it. */
const NAMES = Object.getOwnPropertyNames(Object.prototype);

const token = readToken(
  { name: 'x', file: 'x.json', at: [] },
  { access_token: 'a', refresh_token: 'r', client_id: 'c' },
  'p',
);
const provider = (more: string) =>
  readProvider(JSON.parse(`{"provider": "p", "token_endpoint": "https://p.example/token", ${more}}`));
const sources = { agent: null, environment: {}, allowHttp: false };

describe.each(NAMES)('the name %s, chosen by somebody else', (name) => {
  it('as a placeholder of an endpoint is a field that is missing', () => {
    const one = { ...provider('"parameters": {}'), tokenEndpoint: `https://p.example/{${name}}/token` };
    expect(recipeFor(token, { ...sources, provider: one })).toMatchObject({ missing: [name] });
  });

  it('as an alias is no field that a file does not have', () => {
    const one = provider(`"quirks": {"aliases": {"scope": ["${name}"], "audience": ["${name}"]}}`);
    expect(recipeFor(token, { ...sources, provider: one })).toMatchObject({ parameters: {} });
  });

  it('as a field that has environment names is looked up under those', () => {
    const one = { ...provider(`"environment": {"${name}": "TENANT"}`), tokenEndpoint: `https://p.example/{${name}}` };
    const recipe = recipeFor(token, { ...sources, provider: one, environment: { TENANT: 'made-up' } });
    expect(recipe).toMatchObject({ endpoint: { href: 'https://p.example/made-up' } });
    expect([...environmentTokens([one], {})]).toEqual([]);
  });

  it('as an environment name is not set', () => {
    expect(environmentValue({}, name)).toBeNull();
  });

  it('as a header is a header', () => {
    const definition = JSON.parse(`{"server_name": "s", "headers": [{"${name}": "value"}], "env": {"${name}": "v"}}`);
    const server = readServer('s.json', { ...definition, command: 'c' });
    expect(Object.entries(server?.headers ?? {})).toEqual([[name, 'value']]);
    expect(Object.entries(server?.command?.env ?? {})).toEqual([[name, 'v']]);
  });

  it('as a field of a pasted object stays one', () => {
    expect(
      Object.keys(
        tokensIn(JSON.parse(`{"accessToken": "a", "${name}": "b"}`), { names: [], provider: null, addresses: [] }) ??
          {},
      ),
    ).toEqual(['access_token', name]);
  });

  it('as an argument that a call does not have makes no header', () => {
    for (const path of [[name], [name, 'name'], [name, name, 'length']]) {
      expect(paramHeaders([{ path, header: 'Mcp-Param-X' }], {})).toEqual({});
    }
  });

  it.each([`--${name}`, `--${name}=1`, `--no-${name}`, `--${name}.x=1`])(
    'as a flag %s is a usage error',
    async (flag) => {
      await expect(parseCall(['status', flag], '0', 80)).rejects.toMatchObject({ name: 'UsageError' });
      await expect(parseCall(['status', flag], '0', 80)).rejects.toThrow(name);
    },
  );

  it('as a user, a field, a schema and a file is an ordinary one', async () => {
    const users = `{"user_tokens": {"${name}": {"access_token": "a", "${name}": "x"}}, "${name}": {"a": 1}}\n`;
    const root = new Root()
      .write('.kroger_tokens.json', users)
      .write('registry/servers/s.json', {
        server_name: 's',
        path: `/${name}`,
        mcp_endpoint: 'https://s.example/mcp',
        auth_type: 'oauth',
        token: `kroger:${name}`,
      })
      .write(`schemas/${name}.schema.json`, 'no schema')
      .write(`.oauth-tokens/${name}.json`, { access_token: 'b', provider: name });
    const { app, cycle } = await appFor(root.path);
    await cycle();
    const { world } = app.look();
    expect(world.tokens.map((one) => one.name).sort()).toEqual([name, `kroger:${name}`].sort());
    expect(Object.keys(root.json('.oauth-tokens/mcp.json').mcpServers)).toEqual([name]);
    expect(root.text('.kroger_tokens.json')).toBe(users);
  });
});
