import { foreignLines, type Redactor, redactorOf, type Secret } from '../ground/secret.js';
import type { Message } from '../ports/mcp.js';

/** Tokens are replaced while a bridge runs, and a server may say back an earlier one. */
const MOST = 64;

/** What has been sent to the server, and must not come back to anybody but as `[redacted]`. */
export interface KnownSecrets {
  add(secrets: readonly Secret[]): void;
  readonly redactor: Redactor;
  /** The message without them where it tells of an error, or is a line of the server's log. */
  clean(message: Message): Message;
}

export function createKnownSecrets(): KnownSecrets {
  let known = new Map<string, Secret>();
  let redactor: Redactor | null = null;
  const all = (): Redactor => {
    redactor ??= redactorOf(known.values());
    return redactor;
  };
  return {
    add(secrets) {
      if (secrets.every((secret) => known.has(secret.reveal()))) return;
      for (const secret of secrets) known.set(secret.reveal(), secret);
      known = new Map([...known].slice(-MOST));
      redactor = null;
    },
    get redactor() {
      return all();
    },
    clean(message) {
      const { error, result, method } = message;
      if (error) return { ...message, error: cleaned(error, all()) as typeof error };
      if (result?.isError === true) return { ...message, result: cleaned(result, all()) as typeof result };
      if (method !== 'notifications/message') return message;
      return { ...message, params: cleaned(message.params, all()) as NonNullable<Message['params']> };
    },
  };
}

/** Every text in a value. */
export function cleaned(value: unknown, redactor: Redactor, depth = 0): unknown {
  if (typeof value === 'string') return foreignLines(value, redactor);
  if (depth > DEEPEST || typeof value !== 'object' || value === null) return depth > DEEPEST ? null : value;
  if (Array.isArray(value)) return value.map((item) => cleaned(item, redactor, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [foreignLines(name, redactor), cleaned(item, redactor, depth + 1)]),
  );
}

const DEEPEST = 100;
