import { oneLine } from './secret.js';

/** One thing wrong with one file, told so that the reader can mend it. */
export interface Problem {
  /** Path relative to the root. */
  readonly file: string;
  /** JSON pointer (RFC 6901) into the file; empty when the whole file is meant. */
  readonly pointer: string;
  readonly message: string;
  /** An error keeps the file from being used; a warning does not. */
  readonly severity: 'error' | 'warning';
}

export function problem(file: string, pointer: string, message: string): Problem {
  return { file, pointer, message, severity: 'error' };
}

export function warning(file: string, pointer: string, message: string): Problem {
  return { file, pointer, message, severity: 'warning' };
}

/** `file: /pointer: message`, the form of every problem in the log, in `validate` and on stderr. */
export function problemLine({ file, pointer, message }: Problem): string {
  return oneLine(pointer === '' ? `${file}: ${message}` : `${file}: ${pointer}: ${message}`);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
