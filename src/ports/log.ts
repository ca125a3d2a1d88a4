/** What a line is about; the third field of every line. */
export type LogKind = 'START' | 'CHECK' | 'REFRESH' | 'SCAN' | 'CONFIG' | 'API' | 'STOP';

/** What a line speaks of, for programs. */
export interface LogSubject {
  readonly file?: string;
  readonly token?: string;
  readonly server?: string;
}

/** One line an event. Nobody hands a secret to it. */
export interface Log {
  debug(kind: LogKind, message: string, subject?: LogSubject): void;
  info(kind: LogKind, message: string, subject?: LogSubject): void;
  warning(kind: LogKind, message: string, subject?: LogSubject): void;
  error(kind: LogKind, message: string, subject?: LogSubject): void;
}

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: 'text' | 'json';
  /** Absolute; null for none. */
  readonly file: string | null;
  /** Also, or instead of a file, to standard error. */
  readonly stderr: boolean;
  /** Bytes. */
  readonly maxSize: number;
  /** How many files there are at the most, the one in use included. */
  readonly maxFiles: number;
}

export type LogLevel = 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR';

export interface LogWriter extends Log {
  /** Closes the file and opens what is at its path now (logrotate). */
  reopen(): void;
}
