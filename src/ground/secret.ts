import { CONTROL_SEQUENCES, REDACTED, type Redactor, redactor } from './redaction.js';

/** A value that must not be seen: wherever it is printed, logged or serialised it reads `[redacted]`. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself. Only what sends it to its server, renders it or saves it has a reason to ask. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return REDACTED;
  }
}

export { REDACTED, type Redactor };

/**
 * A value that was written out somewhere and may be a secret, as its name or its look says: kept secret like one. It
 * never changes by itself.
 */
export class SupposedSecret extends Secret {}

/** A Secret of a non-empty string, else null. */
export function secretOrNull(value: unknown): Secret | null {
  return typeof value === 'string' && value !== '' ? new Secret(value) : null;
}

/** What takes these secrets out of the texts of others. */
export function redactorOf(secrets: Iterable<Secret | null>): Redactor {
  return redactor([...secrets].flatMap((secret) => (secret ? [secret.reveal()] : [])));
}

/** So much of a text is looked at for a line of it. */
const MOST_READ = 16 * 1024;
/** Controls, what reorders or hides (bidirectional marks, zero widths, tags), line separators, halves of characters. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]+/gu;

/**
 * One printable line of text that somebody else wrote: control characters and every known secret are taken
 * out, and it is cut at `limit` characters.
 */
export function foreignText(text: string, secrets: readonly (Secret | null)[] | Redactor, limit = 200): string {
  const { redact } = 'redact' in secrets ? secrets : redactorOf(secrets);
  const read = text.slice(0, Math.max(MOST_READ, limit));
  const safe = redact(read).replace(CONTROL_SEQUENCES, '').replace(INVISIBLE, ' ').trim();
  return safe.length > limit ? `${safe.slice(0, limit)}…` : safe;
}

/** A line that names of others may be in: it stays one, and obeyed by no terminal. Tidies what is known to be no secret. */
export function oneLine(text: string): string {
  return text
    .replace(CONTROL_SEQUENCES, '')
    .replace(COMMANDS, '\n')
    .replace(/[\t\n\u2028\u2029]+/g, ' ');
}

/** What a terminal would obey, or what would make a line read as another; but for line breaks and tabs. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const COMMANDS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** As much text as somebody else wrote, with its lines, for those who look at all of it. */
export function foreignLines(text: string, { redact }: Redactor): string {
  return redact(text).replace(CONTROL_SEQUENCES, '').replace(COMMANDS, '');
}
