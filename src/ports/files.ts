import { ownValue } from '../ground/lookup.js';

/** A file below one folder (the root, or the package). Paths are relative to it, with `/` between their parts. */
export interface Files {
  /** What the patterns match, in order of path. */
  list(patterns: readonly string[]): readonly Listed[];
  /** The names in a folder; the same array as before while nothing has come or gone. Empty when it is not there. */
  names(folder: string): readonly string[];
  /** One path as `list` would give it; null when nothing is there. */
  look(path: string): Listed | null;
  /** The signature that `look` would give; empty when nothing is there. */
  signature(path: string): string;
  /** The folder in which a file really lies, where it is a link; absolute then. */
  homeOf(path: string): string;
  /** Whether a symbolic link is there, wherever it leads. */
  isLink(path: string): boolean;
  /** The whole text; bytes in it that are none are kept when it is written again. Throws a FileError. */
  read(path: string): string;
  /**
   * Makes `text` the file's whole content. When it resolves, that is so and stays so after a power cut; when it
   * rejects (FileError), the old content is untouched. The file is readable by its owner alone.
   */
  write(path: string, text: string): Promise<void>;
  /** As `write`, whole at any moment, but a power cut may bring the old content back. */
  put(path: string, text: string): Promise<void>;
  /**
   * Proves that `write` of up to `bytes` more than the file holds now can succeed, and keeps the room for it.
   * Rejects (FileError) when it cannot.
   */
  reserve(path: string, bytes: number): Promise<Reservation>;
  remove(path: string): Promise<void>;
  /** Removes what writers that died have left beside these files. */
  sweep(folders: readonly string[]): void;
}

export interface Listed {
  readonly path: string;
  /** `unreadable`: a folder that what was asked for may be in. */
  readonly kind: 'file' | 'folder' | 'other' | 'dangling' | 'unreadable';
  /** Changes whenever the content may have changed. */
  readonly signature: string;
  /** Bytes. */
  readonly size: number;
  /** Permission bits, as 0o600; undefined where there are none. */
  readonly mode?: number;
}

/** Room on disk, beside the file it is for. Used once, by `fill` or `release`. */
export interface Reservation {
  /** As `write`. */
  fill(text: string): Promise<void>;
  release(): Promise<void>;
}

/** `code` is that of the system (`ENOSPC`, ...); the message is for people. */
export class FileError extends Error {
  override readonly name = 'FileError';
  readonly code: string;

  constructor(code: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/** The system's code of an error, as `ENOENT`. */
export function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'UNKNOWN';
}

const CAUSES: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'it is on a read-only file system',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  ENOENT: 'it does not exist',
  EISDIR: 'it is a folder',
  ENOTDIR: 'what should be a folder is a file',
  ELOOP: 'its symbolic links lead in a circle',
};

/** An error of the system as one for people: `cannot be written: the disk is full`. */
export function fileError(error: unknown, what: string): FileError {
  const code = codeOf(error);
  return new FileError(code, `${what}: ${ownValue(CAUSES, code) ?? code}`, error);
}

/** An error of a recursive mkdir, which reports ENOENT where the file system is read-only. */
export function folderError(error: unknown, what: string): FileError {
  return fileError(codeOf(error) === 'ENOENT' ? { code: 'EROFS' } : error, what);
}
