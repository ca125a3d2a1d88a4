import { describe, expect, it } from 'vitest';
import { egressKey, readSeconds, readToken, tokenName, whyNoHeaderValue } from '../../src/ground/token.js';

const NINE = 1_763_715_600; // 2025-11-21T09:00:00Z
const jwt = (claims: object): string =>
  `eyJhbGciOiJub25lIn0.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.sig`;
const read = (document: object) => readToken({ name: 'x', file: 'x.json', at: [] }, { ...document }, null);

describe('names', () => {
  it.each([
    ['.oauth-tokens/atlassian-tracker-egress.json', 'atlassian-tracker'],
    ['.oauth-tokens/agent-a-token.json', 'agent-a'],
    ['.oauth-tokens/ingress.json', 'ingress'],
    ['.mcp_tokens_readonly.json', 'readonly'],
    ['.mcp_tokens_a-token.json', 'a'],
    ['.mcp_tokens_.json', 'mcp_tokens_'],
    ['.oauth-tokens/a-egress-token.json', 'a-egress'],
    ['.oauth-tokens/token.json', 'token'],
    ['.oauth-tokens/-egress.json', '-egress'],
    ['.oauth-tokens/A.JSON', 'A'],
  ])('%s', (file, name) => {
    expect(tokenName(file)).toBe(name);
  });

  it.each([
    ['atlassian', 'atlassian-tracker-egress.json', 'tracker'],
    ['bedrock-agentcore', 'bedrock-agentcore-ops-gateway-egress.json', 'ops-gateway'],
    ['bedrock', 'bedrock-agentcore-ops-egress.json', 'agentcore-ops'],
    ['other', 'atlassian-tracker-egress.json', null],
    [null, 'atlassian-tracker-egress.json', null],
    ['atlassian', 'atlassian-tracker.json', null],
    ['atlassian', 'atlassian-egress.json', null],
  ])('the server of %s in %s', (provider, file, key) => {
    expect(egressKey({ provider, file, name: tokenName(file) })).toBe(key);
  });
});

describe('when a token ends, first hit wins', () => {
  const access_token = jwt({ iat: NINE - 600, exp: NINE + 600 });
  it.each<[what: string, document: object, at: number | null, lifetime: number | null]>([
    ['expires_at', { access_token, expires_at: NINE, expires_in: 60 }, NINE, 60],
    ['expires_at and when it was obtained', { expires_at: NINE, obtained_at: NINE - 300 }, NINE, 300],
    ['expires_in beside generated_at', { access_token, expires_in: 300, generated_at: NINE }, NINE + 300, 300],
    [
      'expires_in beside saved_at',
      { access_token, expires_in: '300', saved_at: '2025-11-21 09:00:00 UTC' },
      NINE + 300,
      300,
    ],
    ['expires_in beside obtained_at', { expires_in: 300.5, obtained_at: `${NINE}` }, NINE + 300.5, 300.5],
    ['expires_at null', { access_token, expires_at: null, expires_in: 5, saved_at: NINE }, NINE + 5, 5],
    ['exp of a JWT', { access_token }, NINE + 600, 1200],
    ['exp without iat', { access_token: jwt({ exp: NINE }) }, NINE, null],
    ['expires_in alone says nothing', { access_token: 'opaque', expires_in: 300 }, null, null],
    ['a JWT without exp', { access_token: jwt({ iat: NINE }) }, null, null],
    ['a JWT whose exp is a text', { access_token: jwt({ exp: 'soon' }) }, null, null],
    ['dots, but no JWT', { access_token: 'a.b.c' }, null, null],
    ['no access token', { refresh_token: 'r' }, null, null],
    ['a lifetime below nothing', { expires_at: NINE, expires_in: -5 }, NINE, null],
  ])('%s', (_, document, at, lifetime) => {
    const { expiry } = read(document);
    expect({ at: expiry.at, lifetime: expiry.lifetime }).toEqual({ at, lifetime });
  });

  it.each([
    [300, 300],
    ['300', 300],
    [' 300.5 ', 300.5],
    ['', null],
    ['5m', null],
    [null, null],
    [Number.NaN, null],
  ])('seconds: %j', (value, seconds) => {
    expect(readSeconds(value)).toBe(seconds);
  });
});

describe('what clients can be given', () => {
  it.each<[document: object, rendered: boolean]>([
    [{ access_token: 'a' }, true],
    [{ access_token: 'a', token_type: 'Bearer' }, true],
    [{ access_token: 'a', token_type: 'bearer' }, true],
    [{ access_token: 'a', token_type: 'DPoP' }, false],
    [{ access_token: 'a', salvaged_at: NINE }, false],
    [{ access_token: '' }, false],
    [{ refresh_token: 'r' }, false],
  ])('%j', (document, rendered) => {
    expect(read(document).rendered !== null).toBe(rendered);
  });

  it.each([
    ['abc.DEF-_~+/=', true],
    ['"\\\'<>{}$', true],
    ['a b', false],
    ['a\r\nb', false],
    ['a\u0000', false],
    ['a\u007f', false],
    ['ä', false],
    ['${HOME}', false],
    ['$HOME', true],
    ['', false],
  ])('%j', (value, fits) => {
    expect(whyNoHeaderValue(value) === null).toBe(fits);
  });

  it('no secret is among the fields, nor in what is printed of a token', () => {
    const token = read({
      access_token: 'invented-1',
      refresh_token: 'invented-2',
      client_secret: 'invented-3',
      id_token: 'invented-4',
      password: 'invented-5',
      cloud_id: 'c',
    });
    expect(token.fields).toEqual({ cloud_id: 'c' });
    expect(JSON.stringify(token)).not.toContain('invented');
    expect(`${token.access} ${token.refresh}`).not.toContain('invented');
  });
});
