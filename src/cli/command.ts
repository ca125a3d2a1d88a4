import type { App } from '../daemon/app.js';
import type { Flags } from './options.js';

/** What a command is given to do its work and to speak. */
export interface Context {
  readonly app: App;
  readonly flags: Flags;
  /** Words after the command's name. */
  readonly words: readonly string[];
  readonly terminal: Terminal;
  /** Which build this is. */
  readonly build: string;
  /** The package's. */
  readonly version: string;
  /** Ends what runs until it is told to end. */
  readonly signal: AbortSignal;
}

export interface Terminal {
  /** The result: standard output. */
  print(line: string): void;
  /** Messages: standard error. */
  complain(line: string): void;
  readonly columns: number;
  /** Whether standard output is a terminal that shows colours. */
  readonly color: boolean;
}

/** Flags to one call to an exit code: 0 done, 1 something failed, 2 usage, 3 another instance is running. */
export type Run = (context: Context) => Promise<number>;
