import { type NeedleSet, needleSet, placesOf } from './needles.js';

/** What stands in the place of a secret. */
export const REDACTED = '[redacted]';

/** Takes secrets out of a text that somebody else wrote. */
export interface Redactor {
  /** The text with every secret in it replaced, in whatever encoding it came back; also one that it breaks off in. */
  redact(text: string): string;
  /** Whether all of any of them is in it. */
  finds(text: string): boolean;
}

/** Shorter secrets are replaced only where they stand by themselves: they are part of ordinary words. */
const SHORTEST = 4;
/** How many encodings deep a text is looked into: JSON in a percent-encoded form in HTML. */
const DEEPEST = 4;

/**
 * By value. A server that says back what it was sent may encode it, or wrap it at some line length; so the text is
 * decoded and compared, rather than the secret encoded in every way that there is. Takes time in proportion to the text.
 */
export function redactor(secrets: Iterable<string>): Redactor {
  const values = new Set<string>();
  for (const secret of secrets) {
    const value = secret.trim();
    // One letter alone would take every "a" out of a sentence.
    if (value.length > 1) for (const form of [value, withoutScheme(value)]) values.add(form);
  }
  let compiled: Needles | null = null;
  const rangesIn = (text: string, isCut: boolean): Range[] => {
    if (values.size === 0 || text === '') return [];
    compiled ??= needlesOf(values);
    return merged(viewsOf(text).flatMap((view) => matchesIn(view, compiled as Needles, isCut)));
  };
  return {
    redact(text) {
      let safe = '';
      let from = 0;
      for (const [start, end] of rangesIn(text, true)) {
        safe += text.slice(from, start) + REDACTED;
        from = end;
      }
      return safe + text.slice(from);
    },
    finds: (text) => rangesIn(text, false).length > 0,
  };
}

/** `Bearer` and the like are no secret, and a server may say back what follows them alone. */
function withoutScheme(value: string): string {
  return value.replace(/^(?:bearer|basic|token|apikey|api-key|digest)\s+/i, '');
}

type Range = readonly [start: number, end: number];

interface Needles {
  /** In small letters. */
  readonly plain: NeedleSet;
  readonly words: readonly string[];
  readonly base64: NeedleSet;
  readonly hex: NeedleSet;
}

function needlesOf(values: ReadonlySet<string>): Needles {
  const long = [...values].filter((value) => value.length >= SHORTEST);
  // As in the pair of Basic authentication (RFC 6749 section 2.3.1).
  const forms = long.flatMap((value) => [value, formEncoded(value), percentEncoded(value)]);
  // What looks like an escape in a secret is undone in the text, too.
  const plain = long.flatMap((value) => [...viewsOf(value).map(({ text }) => text), value.replace(BLANK, '+')]);
  return {
    plain: needleSet(plain.map(lowerCase)),
    words: [...values].filter((value) => value.length < SHORTEST).map(lowerCase),
    base64: needleSet([...new Set(forms)].flatMap(base64Within)),
    hex: needleSet(long.map((value) => Buffer.from(value).toString('hex'))),
  };
}

function formEncoded(text: string): string {
  return new URLSearchParams({ _: text }).toString().slice(2);
}

function percentEncoded(text: string): string {
  return encodeURIComponent(Buffer.from(text).toString()); // a lone surrogate would throw
}

/** What is sure to stand in the base64 of any text that the value is part of, at each of the three alignments. */
function base64Within(value: string): string[] {
  return [0, 1, 2].flatMap((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(value)]);
    // The first characters are partly, or wholly, of what stands before it, and the last one of what follows.
    const sure = bytes
      .toString('base64')
      .replaceAll('=', '')
      .slice(Math.ceil((before * 8) / 6), Math.floor((bytes.length * 8) / 6));
    return [sure];
  });
}

/** A text with what an encoding hides laid open; `starts` and `ends` say where each of its characters was. */
interface View {
  readonly text: string;
  readonly starts: Uint32Array | null;
  readonly ends: Uint32Array | null;
}

function viewsOf(text: string): View[] {
  const views: View[] = [];
  let view: View = { text, starts: null, ends: null };
  for (let depth = 0; depth < DEEPEST; depth += 1) {
    views.push(view);
    const inner = decoded(view.text);
    if (inner === null) break;
    view = through(view, inner);
  }
  return views.map((one) => through(one, squeezed(one.text)));
}

/** Where the characters of an inner view stand in the text that the outer one is of. */
function through(outer: View, inner: View): View {
  if (outer.starts === null || outer.ends === null) return inner;
  if (inner.starts === null || inner.ends === null) return { ...outer, text: inner.text };
  const { starts, ends } = outer;
  return {
    text: inner.text,
    starts: inner.starts.map((at) => starts[at] ?? 0),
    ends: inner.ends.map((at) => ends[at - 1] ?? 0),
  };
}

/** What terminals take for commands: ECMA-48 control sequences and strings, with seven and with eight bits. */
export const CONTROL_SEQUENCES =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]*[0-~]?/g;
/** White space and what cannot be seen: lines are wrapped, and marks put in between. */
const BLANK = /[\s\p{Cc}\p{Cf}]+/gu;
const UNSEEN = new RegExp(`${CONTROL_SEQUENCES.source}|${BLANK.source}`, 'gu');

function squeezed(text: string): View {
  return rewritten(text, UNSEEN, () => '') ?? { text, starts: null, ends: null };
}

const NAMED: ReadonlyMap<string, string> = new Map(
  Object.entries({
    amp: '&',
    lt: '<',
    gt: '>',
    quot: '"',
    apos: "'",
    nbsp: ' ',
    plus: '+',
    equals: '=',
    sol: '/',
    bsol: '\\',
    num: '#',
    percnt: '%',
    dollar: '$',
    colon: ':',
    semi: ';',
    excl: '!',
    quest: '?',
    lowbar: '_',
    period: '.',
    comma: ',',
    ast: '*',
    commat: '@',
    Hat: '^',
    grave: '`',
    lpar: '(',
    rpar: ')',
    lsqb: '[',
    rsqb: ']',
    lcub: '{',
    rcub: '}',
    vert: '|',
    tilde: '~',
  }),
);

/** Percent-encoding, the escapes of JSON and its relatives, and those of HTML and XML. */
const ESCAPES =
  /(?:%[0-9a-f]{2})+|\\u[0-9a-f]{4}|\\u\{[0-9a-f]{1,6}\}|\\x[0-9a-f]{2}|\\[^ux]|&#x[0-9a-f]{1,6};?|&#\d{1,7};?|&[a-z]{2,8};/gi;

/** The text with its escapes undone, once; null when there are none. */
function decoded(text: string): View | null {
  return rewritten(text, ESCAPES, (found) => {
    if (found.startsWith('%')) return percentDecoded(found);
    if (found.startsWith('&#')) {
      const digits = found.replace(/^&#|;$/g, '');
      return character(/^x/i.test(digits) ? Number.parseInt(digits.slice(1), 16) : Number(digits));
    }
    if (found.startsWith('&')) return NAMED.get(found.slice(1, -1)) ?? null;
    if (/^\\[ux]/i.test(found)) return character(Number.parseInt(found.replace(/[^0-9a-f]/gi, ''), 16));
    return /[bfnrt]/.test(found[1] ?? '') ? ' ' : (found[1] ?? '');
  });
}

function character(code: number): string {
  return code <= 0x10_ff_ff ? String.fromCodePoint(code) : '';
}

/** A run of them, as bytes of UTF-8. */
function percentDecoded(run: string): string {
  return Buffer.from(run.replaceAll('%', ''), 'hex').toString('utf8');
}

/**
 * The text with `rewrite` done to what the pattern matches; null when that is nothing. What one match becomes stands
 * where all of it stood, but for a run of percent-encoded ASCII, whose characters stand one by one.
 */
function rewritten(text: string, pattern: RegExp, rewrite: (match: string) => string | null): View | null {
  const parts: string[] = [];
  // Nothing becomes longer by being decoded.
  const starts = new Uint32Array(text.length);
  const ends = new Uint32Array(text.length);
  let size = 0;
  const put = (start: number, end: number): void => {
    starts[size] = start;
    ends[size] = end;
    size += 1;
  };
  const copy = (from: number, to: number): void => {
    parts.push(text.slice(from, to));
    for (let at = from; at < to; at += 1) put(at, at + 1);
  };
  let from = 0;
  for (const match of text.matchAll(pattern)) {
    const [found] = match;
    const made = rewrite(found);
    if (made === null) continue;
    const end = match.index + found.length;
    copy(from, match.index);
    parts.push(made);
    const each = made.length * 3 === found.length && found.startsWith('%') ? 3 : 0;
    for (let at = 0; at < made.length; at += 1) {
      put(match.index + at * each, each === 0 ? end : match.index + (at + 1) * each);
    }
    from = end;
  }
  if (from === 0) return null;
  copy(from, text.length);
  return { text: parts.join(''), starts: starts.subarray(0, size), ends: ends.subarray(0, size) };
}

function matchesIn(view: View, needles: Needles, isCut: boolean): Range[] {
  const lower = lowerCase(view.text);
  const found: Range[] = [];
  const note = (start: number, end: number): void => {
    if (start < end) found.push([view.starts?.[start] ?? start, view.ends?.[end - 1] ?? end]);
  };
  for (const [start, end] of needles.plain.in(lower)) note(start, end);
  if (isCut) note(lower.length - needles.plain.cutIn(lower), lower.length);
  for (const needle of needles.words) {
    for (const at of placesOf(lower, needle)) {
      const end = at + needle.length;
      if (!isWord(view, at - 1, at) && !isWord(view, end, end - 1)) note(at, end);
    }
  }
  const standard = view.text.replaceAll('-', '+').replaceAll('_', '/');
  for (const [start, end] of needles.base64.in(standard)) note(...runAround(standard, start, end, BASE64));
  for (const [start, end] of needles.hex.in(lower)) note(...runAround(lower, start, end, HEX));
  return found;
}

/** Whether a letter or digit stands at `at`, right beside `beside` also before the blanks were taken out. */
function isWord({ text, starts, ends }: View, at: number, beside: number): boolean {
  if (!/[\p{L}\p{N}_]/u.test(text[at] ?? '')) return false;
  if (starts === null || ends === null) return true;
  return at < beside ? ends[at] === starts[beside] : ends[beside] === starts[at];
}

const BASE64 = /[A-Za-z0-9+/=]/;
const HEX = /[0-9a-f]/;

/** All of the encoded text that a match stands in, but no further than such a text reaches: it may be a long one. */
function runAround(text: string, from: number, to: number, letters: RegExp): [start: number, end: number] {
  const least = Math.max(0, from - 512);
  const most = Math.min(text.length, to + 512);
  let [start, end] = [from, to];
  while (start > least && letters.test(text[start - 1] ?? '')) start -= 1;
  while (end < most && letters.test(text[end] ?? '')) end += 1;
  return [start, end];
}

/** Where nothing becomes longer by it. A server may write what it was sent in letters of its own. */
function lowerCase(text: string): string {
  return text.replace(/[A-Z]+|[^\p{ASCII}]/gu, (letters) => {
    const lower = letters.toLowerCase();
    return lower.length === letters.length ? lower : letters;
  });
}

function merged(ranges: readonly Range[]): Range[] {
  const all: [start: number, end: number][] = [];
  for (const [start, end] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = all.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else all.push([start, end]);
  }
  return all;
}
