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

export const REDACTED = '[redacted]';

/** A Secret of a non-empty string, else null. */
export function secretOrNull(value: unknown): Secret | null {
  return typeof value === 'string' && value !== '' ? new Secret(value) : null;
}

/**
 * One printable line of text that somebody else wrote: control characters and every known secret are taken
 * out, and it is cut at `limit` characters.
 */
export function foreignText(text: string, secrets: readonly (Secret | null)[], limit = 200): string {
  let safe = text;
  for (const secret of secrets) if (secret) safe = safe.replaceAll(secret.reveal(), REDACTED);
  safe = safe.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ').trim();
  return safe.length > limit ? `${safe.slice(0, limit)}…` : safe;
}
