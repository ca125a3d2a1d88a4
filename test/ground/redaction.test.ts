import { describe, expect, it } from 'vitest';
import { redactor } from '../../src/ground/redaction.js';
import { foreignText, Secret } from '../../src/ground/secret.js';

const SECRET = 'Made+Up/Secret==~:$"\\<&>é-1';
const TOKEN = 'made-up.Access_token-0001';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const form = (text: string) => new URLSearchParams({ _: text }).toString().slice(2);
const everyByte = (text: string) =>
  [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
const html = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
const json = (text: string) => JSON.stringify(text).slice(1, -1);

/** What servers make of what they were sent. */
const ENCODINGS: readonly (readonly [name: string, encode: (text: string) => string])[] = [
  ['as it is', (text) => text],
  ['in small letters', (text) => text.toLowerCase()],
  ['in capital letters', (text) => text.toUpperCase()],
  ['as JSON', json],
  ['as JSON in JSON', (text) => json(json(text))],
  ['as JSON with slashes escaped', (text) => json(text).replaceAll('/', '\\/')],
  [
    'as JSON of ASCII alone',
    (text) => text.replace(/[^a-z]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`),
  ],
  [
    'as bytes in Python',
    (text) => text.replace(/[^A-Za-z0-9é]/g, (letter) => `\\x${letter.charCodeAt(0).toString(16)}`),
  ],
  ['percent-encoded', encodeURIComponent],
  ['percent-encoded in small letters', (text) => encodeURIComponent(text).toLowerCase()],
  ['percent-encoded twice', (text) => encodeURIComponent(encodeURIComponent(text))],
  ['percent-encoded to the last byte', everyByte],
  ['as a form', form],
  ['in HTML', html],
  ['in HTML, as numbers', (text) => [...text].map((letter) => `&#${letter.codePointAt(0)};`).join('')],
  [
    'in HTML, as hexadecimal numbers',
    (text) => [...text].map((letter) => `&#x${letter.codePointAt(0)?.toString(16)};`).join(''),
  ],
  ['JSON in HTML', (text) => html(json(text))],
  ['a form in JSON', (text) => json(form(text))],
  ['base64', base64],
  ['base64url', (text) => Buffer.from(text).toString('base64url')],
  ['base64, percent-encoded', (text) => encodeURIComponent(base64(text))],
  ['base64 of the form', (text) => base64(form(text))],
  ...['', 'i', 'id', 'id:', 'a-client:', 'another-client:'].map(
    (before) => [`base64 behind "${before}"`, (text: string) => base64(`${before}${text}`)] as const,
  ),
  ['base64url of a pair, more behind it', (text) => Buffer.from(`id:${text}:more`).toString('base64url')],
  ['base64 in lines', (text) => base64(`id:${text}`).replace(/(.{7})/g, '$1\r\n')],
  ['hexadecimal', (text) => Buffer.from(text).toString('hex')],
  ['hexadecimal in capital letters', (text) => Buffer.from(text).toString('hex').toUpperCase()],
  ['broken over lines', (text) => text.replace(/(.{6})/g, '$1\n  ')],
  ['with zero widths in it', (text) => [...text].join('\u200b')],
];

/** Pieces of a secret by which it would be known again, in the text or in what its base64 or hexadecimal holds. */
function remains(text: string, secret: string): string[] {
  const runs = text.match(/[A-Za-z0-9+/_-]{6,}/g) ?? [];
  const inside = runs.flatMap((run) => [0, 1, 2, 3].map((from) => Buffer.from(run.slice(from), 'base64').toString()));
  const views = [text, ...inside, ...runs.map((run) => Buffer.from(run, 'hex').toString())];
  const pieces = Array.from({ length: secret.length - 5 }, (_, at) => secret.slice(at, at + 6).toLowerCase());
  return pieces.filter((piece) => views.some((view) => view.toLowerCase().includes(piece)));
}

describe.each([SECRET, TOKEN])('%s', (secret) => {
  it.each(ENCODINGS)('is taken out %s, and nothing else is', (_, encode) => {
    const text = `It said "${encode(secret)}" to us, twice: ${encode(secret)}.`;
    const safe = redactor([secret]).redact(text);
    expect(safe).toMatch(/^It said "\[redacted\]" to us, twice: \[redacted\]\.?$/);
    expect(remains(safe, secret)).toEqual([]);
    expect(redactor([secret]).finds(text)).toBe(true);
  });

  it.each(ENCODINGS)('of another secret nothing is taken out %s', (_, encode) => {
    const text = `It said "${encode(secret)}" to us.`;
    expect(redactor(['An-other.secret~0']).redact(text)).toBe(text);
  });
});

describe('secrets', () => {
  it.each<[what: string, secrets: string[], text: string, safe: string]>([
    ['none', [], 'all of it', 'all of it'],
    ['an empty one', ['', ' '], 'all of it', 'all of it'],
    ['one letter', ['a'], 'a cat', 'a cat'],
    [
      'a short one, by itself alone',
      ['abc'],
      'abc, abcd, xabc "abc" x-abc',
      '[redacted], abcd, xabc "[redacted]" x-[redacted]',
    ],
    ['two side by side', ['first-one', 'second-one'], 'first-onesecond-one', '[redacted]'],
    [
      'one in the other',
      ['a-secret', 'not-a-secret-at-all'],
      'x not-a-secret-at-all a-secret',
      'x [redacted] [redacted]',
    ],
    [
      'with its scheme or without',
      ['Bearer made-up-token'],
      'Bearer made-up-token, made-up-token',
      '[redacted], [redacted]',
    ],
    ['what looks like an escape', ['a%2Bb%41&amp;c'], 'got a%2Bb%41&amp;c', 'got [redacted]'],
    [
      'with blanks',
      ['correct horse battery'],
      'correct+horse+battery; correct%20horse%20battery',
      '[redacted]; [redacted]',
    ],
    ['cut off', ['a-long-secret-that-was-cut'], 'you sent a-long-secret-th', 'you sent [redacted]'],
    ['no part of it but by chance', ['a-long-secret-that-was-cut'], 'it was a-long', 'it was a-long'],
    ['what a pattern would take for its own', ['$&$1.*(x)'], 'x$&$1.*(x)y', 'x[redacted]y'],
    ['half a character', ['half-\ud800-letter'], 'a half-\ud800-letter', 'a [redacted]'],
  ])('%s', (_, secrets, text, safe) => {
    expect(redactor(secrets).redact(text)).toBe(safe);
  });

  it.each([
    ['ends of a secret', 'a'.repeat(40), `${'a'.repeat(39)}b`],
    ['percent signs', 'secret-one', '%25'],
    ['backslashes', 'secret-one', '\\'],
    ['ampersands', 'secret-one', '&amp;'],
    ['base64', 'aaaaaaaaaaaa', 'YWFh'],
    ['hexadecimal', 'aaaaaaaaaaaa', '61'],
  ])('takes time in proportion to the text: %s', (_, secret, piece) => {
    const { redact } = redactor([secret]);
    const text = piece.repeat(Math.ceil(100_000 / piece.length));
    const of = (length: number): number => {
      const part = text.slice(0, length);
      const best = [1, 2, 3].map(() => {
        const before = process.cpuUsage();
        redact(part);
        const { user, system } = process.cpuUsage(before);
        return user + system;
      });
      return Math.min(...best);
    };
    of(10_000);
    // Ten times the text; a hundred times the time would be the square.
    expect(of(100_000)).toBeLessThan(40 * Math.max(of(10_000), 2000));
  });
});

describe('a line of somebody else', () => {
  it.each<[text: string, line: string]>([
    ['\u001b[31mred\u001b[0m', 'red'],
    ['\u009b31mred', 'red'],
    ['\u001b]0;a title\u0007there', 'there'],
    ['\u001b]8;;https://x.test\u001b\\link\u001b]8;;\u001b\\', 'link'],
    ['one\r\ntwo\u2028three\u0085four', 'one two three four'],
    ['\u202egnp.exe\u2066 x\u2069', 'gnp.exe  x'],
    ['a\u0000b\u007fc\u200bd\ufeffe', 'a b c d e'],
    ['\ud800x', 'x'],
    ['tag\u{e0041}\u{e0042}', 'tag'],
    ['fine: ä ✓ 漢字 👍', 'fine: ä ✓ 漢字 👍'],
    ['a secret \u001b[1mmade-up\u001b[0m-secret here', 'a secret [redacted] here'],
    ['made-\u202eup-secret', '[redacted]'],
  ])('%j', (text, line) => {
    expect(foreignText(text, [new Secret('made-up-secret')])).toBe(line);
  });

  it('is cut after its secrets were taken out, not before', () => {
    const line = foreignText(`${'x'.repeat(195)}made-up-secret`, [new Secret('made-up-secret')]);
    expect(line).toMatch(/^x{195}\[reda…$/);
    expect(
      foreignText(
        `${'x '.repeat(8190)}made-up-secret-that-is-long`,
        [new Secret('made-up-secret-that-is-long')],
        20_000,
      ),
    ).not.toMatch(/made/);
  });
});

it('finds one secret among thousands, as it finds one among few', () => {
  const many = Array.from({ length: 5000 }, (_, n) => `eyJhbGciOiJSUzI1NiJ9.made-up-${n}-${n * 7919}`);
  const { redact } = redactor([...many, 'pass4']);
  const one = many[4321] ?? '';
  const text = `It said ${one}, ${base64(`id:${one}`)}, ${encodeURIComponent(one)} and pass4`;
  expect(redact(text)).toBe('It said [redacted], [redacted], [redacted] and [redacted]');
});
