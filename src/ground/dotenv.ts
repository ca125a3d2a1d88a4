/**
 * `.env` as python-dotenv reads it, which the gateway's own programs use, and as a shell does where that differs: a
 * comment begins after white space, single quotes hold everything literally, and a quoted value may go over lines.
 */
export interface Dotenv {
  readonly values: Readonly<Record<string, string>>;
  readonly troubles: readonly DotenvTrouble[];
}

export interface DotenvTrouble {
  readonly line: number;
  readonly message: string;
  /** An error costs what the line would have set. */
  readonly severity: 'error' | 'warning';
}

const NAME = /^[A-Za-z_][A-Za-z0-9_.-]*$/;
const QUOTES = `'"\``;
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['"', '"'],
  ['\\', '\\'],
  ['$', '$'],
]);

export function readDotenv(source: string): Dotenv {
  const lines = source.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/);
  const values: [name: string, value: string][] = [];
  const troubles: DotenvTrouble[] = [];
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? '';
    const trouble = (severity: DotenvTrouble['severity'], message: string): void => {
      troubles.push({ line: index + 1, message, severity });
    };
    // What is at its end may be part of a value that goes on.
    const text = line.trimStart();
    if (text === '' || text.startsWith('#')) continue;
    const sign = text.indexOf('=');
    const name = text
      .slice(0, Math.max(sign, 0))
      .replace(/^export\s+/, '')
      .trim();
    if (!NAME.test(name)) {
      trouble('warning', 'is not read: it is not NAME=value');
      continue;
    }
    const behind = text.slice(sign + 1);
    const value = behind.trimStart();
    if (value === '' || !QUOTES.includes(value.charAt(0))) {
      const read = unquoted(behind);
      if (check(read, trouble)) values.push([name, read]);
      continue;
    }
    const quoted = readQuoted([value, ...lines.slice(index + 1, index + 1 + MOST_LINES)]);
    if (quoted === null) trouble('error', `the quotation mark of ${name} is not closed`);
    else if (!/^\s*(#|$)/.test(quoted.rest))
      trouble('error', `something stands behind the closing quotation mark of ${name}`);
    else {
      if (check(quoted.value, trouble)) values.push([name, quoted.value]);
      index += quoted.lines;
    }
  }
  return { values: Object.fromEntries(values), troubles };
}

/** Of one quoted value: a private key has some fifty. */
const MOST_LINES = 500;

/** Whether it can be a value. */
function check(value: string, trouble: (severity: DotenvTrouble['severity'], message: string) => void): boolean {
  if (value.includes('\0')) trouble('error', 'holds a NUL');
  else if (!value.isWellFormed()) trouble('error', 'holds bytes that are no UTF-8; save it as UTF-8');
  else return true;
  return false;
}

/** Without its comment, which begins after white space: `a#b` is all value. */
function unquoted(text: string): string {
  const comment = text.search(/\s#/);
  return (comment < 0 ? text : text.slice(0, comment)).trim();
}

/** Up to the mark that closes it; `lines` more were needed. Null when there is none. */
function readQuoted([first = '', ...more]: readonly string[]): { value: string; lines: number; rest: string } | null {
  const quote = first.charAt(0);
  const parts: string[] = [];
  for (let lines = 0, text = first.slice(1); ; lines += 1, text = more[lines - 1] ?? '') {
    const end = quote === '"' ? closing(text) : text.indexOf(quote);
    parts.push(end < 0 ? text : text.slice(0, end));
    if (end >= 0) {
      const value = parts.join('\n');
      return { value: quote === '"' ? unescaped(value) : value, lines, rest: text.slice(end + 1) };
    }
    if (lines === more.length) return null;
  }
}

/** The first double quotation mark before which no backslash stands that is not itself behind one. */
function closing(text: string): number {
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '"') return at;
  }
  return -1;
}

function unescaped(text: string): string {
  return text.replace(/\\([\s\S])/g, (whole, character: string) => ESCAPES.get(character) ?? whole);
}
