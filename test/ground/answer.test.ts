import { describe, expect, test } from 'vitest';
import { type Answer, judge, takeGrant } from '../../src/ground/answer.js';
import { Secret } from '../../src/ground/secret.js';

const NOW = 1_800_000_000;

function answer(body: string | object, status = 200, headers: Record<string, string> = {}): Answer {
  return { status, headers, body: typeof body === 'string' ? body : JSON.stringify(body), complete: true };
}

/** What is taken out of a body: access token, refresh token, and whether they were salvaged. */
function taken(body: string | object): unknown {
  const grant = takeGrant(answer(body));
  return grant && [grant.access?.reveal() ?? null, grant.refresh?.reveal() ?? null, grant.salvaged];
}

describe('what is taken out of an answer', () => {
  test.each<[string, string | object, unknown]>([
    ['JSON', { access_token: 'a', refresh_token: 'r' }, ['a', 'r', false]],
    ['a BOM and blanks', '\uFEFF \n{"access_token":"a"}\n', ['a', null, false]],
    ['a form', 'access_token=a%2Bb&refresh_token=r&scope=x+y', ['a+b', 'r', false]],
    ['nested', { ok: true, authed_user: { access_token: 'a', refresh_token: 'r' } }, ['a', 'r', false]],
    ['only a refresh token', { refresh_token: 'r' }, [null, 'r', false]],
    ['empty tokens', { access_token: '', refresh_token: '' }, null],
    ['tokens of another type', { access_token: 7, refresh_token: ['r'] }, null],
    ['cut in the refresh token', '{"access_token":"a","refresh_token":"r', ['a', null, true]],
    ['cut behind it', '{"access_token":"a","refresh_token":"r"', ['a', 'r', true]],
    ['cut in the access token', '{"refresh_token":"r","access_token":"a', [null, 'r', true]],
    ['cut in an escape', '{"access_token":"a","refresh_token":"r\\', ['a', null, true]],
    ['escapes', '{"access_token":"a\\u0062\\"c","refresh_token":"r\\/s",,}', ['ab"c', 'r/s', true]],
    ['a trailing comma', '{"access_token":"a","refresh_token":"r",}', ['a', 'r', true]],
    ['two answers in one', '{"access_token":"a"}{"access_token":"b"}', ['a', null, true]],
    ['HTML', '<html><a href="?access_token=x">"sign in"</a></html>', null],
    ['a list', '[{"access_token":"a"}]', ['a', null, true]],
    ['null', 'null', null],
    ['nothing', '', null],
  ])('%s', (_name, body, expected) => {
    expect(taken(body)).toEqual(expected);
  });

  // Whoever went back over them again and again, once for each character, would not come to an end in a test's time.
  test.each<[string, string, unknown]>([
    ['quotes and backslashes', `{"access_token":"${'\\"a'.repeat(300_000)}`, null],
    ['one name again and again', '"access_token":'.repeat(240_000), ['access_token', null, true]],
    ['nothing at all', `${'a'.repeat(1_000_000)}<`, null],
  ])('a long answer of %s', (_name, body, expected) => {
    expect(taken(body)).toEqual(expected);
  });
});

describe('what an answer means', () => {
  test.each<[string, string | object, number, string]>([
    ['a dead token', { error: 'invalid_grant' }, 400, 'dead'],
    ['with 403', { error: 'invalid_grant' }, 403, 'dead'],
    ['GitHub, with 200', 'error=bad_refresh_token&error_description=x', 200, 'dead'],
    ['Slack, with 200', { ok: false, error: 'token_revoked' }, 200, 'dead'],
    ['a client that is unknown', { error: 'invalid_client' }, 401, 'configuration'],
    ['the same from a server in trouble', { error: 'invalid_client' }, 503, 'transient'],
    ['Auth0 at its limit', { error: 'access_denied' }, 500, 'transient'],
    ['a code nobody knows', { error: 'weird' }, 400, 'transient'],
    ['no code', {}, 401, 'transient'],
    ['an error that is an object', { error: { code: 400 } }, 400, 'transient'],
    ['a redirect', '', 302, 'configuration'],
    ['200 without a token', {}, 200, 'lost'],
    ['200 and HTML', '<html>', 200, 'lost'],
    ['204', '', 204, 'lost'],
    ['damaged', '{"access_token":"a",', 200, 'lost'],
  ])('%s', (_name, body, status, kind) => {
    const given = answer(body, status);
    expect(judge(given, takeGrant(given), [], NOW)?.kind).toBe(kind);
  });

  test('nothing, when there is a token', () => {
    for (const status of [200, 201, 400]) {
      const given = answer({ access_token: 'a' }, status);
      expect(judge(given, takeGrant(given), [], NOW)).toBeNull();
    }
  });

  test('what the server says is told without secrets, control characters and in one line', () => {
    const given = answer({ error: 'invalid_grant', error_description: 'no made-up\nlog - ERROR - x\u001b[31m' }, 400);
    const { detail } = judge(given, null, [new Secret('made-up')], NOW) ?? { detail: '' };
    expect(detail).toBe('the server answered invalid_grant: no [redacted] log - ERROR - x');
  });
});

test.each([
  ['120', 120],
  [' 120 ', 120],
  ['0', 0],
  ['99999999999999999999', 86_400],
  [new Date((NOW + 90) * 1000).toUTCString(), 90],
  [new Date((NOW - 90) * 1000).toUTCString(), 0],
  [new Date((NOW + 1e6) * 1000).toUTCString(), 86_400],
  ['soon', null],
  ['', null],
  [undefined, null],
])('Retry-After: %s', (value, seconds) => {
  const given = answer('', 503, value === undefined ? {} : { 'retry-after': value });
  expect(judge(given, null, [], NOW)?.retryAfter ?? null).toBe(seconds);
});
