import { exposure } from '../ground/exposure.js';
import { type Problem, problem, warning } from '../ground/problem.js';
import { type Documents, SchemaError } from '../ports/documents.js';
import { FileError, type Files, type Listed } from '../ports/files.js';

/** What became of one file. */
export interface Shelved<T> {
  readonly file: string;
  /** From the file as it is, or as it last was when it was good; null when it never was. */
  readonly value: T | null;
  readonly problems: readonly Problem[];
}

/** Seconds for which a file that vanished is taken to be in the middle of being replaced. */
const VANISHED_FOR = 0.3;
const LARGEST_FILE = 4 * 1024 * 1024;

/** Reads the JSON object of a file into a value; gives problems instead when it cannot. */
export type Reader<T> = (
  file: string,
  document: unknown,
  text: string,
) => { readonly value: T | null; readonly problems: readonly Problem[] };

/** Values by path, with the signature of the file they were read from. */
export type Memory<T> = Readonly<Record<string, { readonly signature: string; readonly value: T }>>;

export interface Shelf<T> {
  /** The same array as before when nothing has changed. */
  readonly items: readonly Shelved<T>[];
  /** When to look again (as the clock's `monotonic`): a file has just vanished. */
  readonly lookAgainAt: number | null;
  update(listed: readonly Listed[], now: number): void;
  /** Whether anything had to be read that was not remembered. */
  readonly hasNews: boolean;
  /** What need not be read again by another process while it has not changed. */
  memory(): Memory<T>;
}

interface Kept<T> extends Shelved<T> {
  readonly signature: string;
  readonly vanishedAt: number | null;
}

export interface ShelfOptions<T> {
  readonly remembered?: Memory<T> | undefined;
  /** Whether nobody but their owner should be able to read these files. */
  readonly isPrivate?: boolean;
}

/**
 * The files of one kind, read once and again when they change. A file that turned bad keeps its last good value
 * until it is mended or removed, and one that vanished is missed only when it stays away: editors and scripts
 * remove before they write.
 */
export function createShelf<T>(
  files: Files,
  documents: Documents,
  read: Reader<T>,
  { remembered = {}, isPrivate = false }: ShelfOptions<T> = {},
): Shelf<T> {
  let kept = new Map<string, Kept<T>>();
  let items: readonly Shelved<T>[] = [];
  let lookAgainAt: number | null = null;
  let hasNews = false;

  const take = (listed: Listed, before: Kept<T> | undefined): Kept<T> => {
    const { path: file, signature } = listed;
    const known = Object.hasOwn(remembered, file) ? remembered[file] : undefined;
    if (known?.signature === signature) return { file, signature, value: known.value, problems: [], vanishedAt: null };
    hasNews = true;
    const { value, problems: own } = readListed(listed);
    const open = isPrivate && listed.kind === 'file' ? exposure(file, listed.mode) : null;
    const problems = open ? [...own, open] : own;
    const failed = problems.some(({ severity }) => severity === 'error');
    return { file, signature, problems, value: failed ? (before?.value ?? null) : value, vanishedAt: null };
  };
  const readListed = (listed: Listed): { value: T | null; problems: readonly Problem[] } => {
    const file = listed.path;
    const bad = (message: string, pointer = ''): { value: null; problems: Problem[] } => {
      return { value: null, problems: [problem(file, pointer, message)] };
    };
    if (listed.kind === 'unreadable') return bad('cannot be read: permission denied');
    if (listed.kind === 'folder') return bad('is a folder, not a file');
    if (listed.kind === 'dangling') return bad('is a symbolic link to nothing');
    if (listed.kind === 'other') return bad('is not a regular file');
    if (listed.size > LARGEST_FILE)
      return bad(`is ${Math.ceil(listed.size / 1024 / 1024)} MB, more than the 4 MB that are read`);
    try {
      const text = files.read(file);
      const parsed = documents.parse(text);
      if ('complaint' in parsed) return bad(parsed.complaint.message, parsed.complaint.pointer);
      const result = read(file, parsed.value, text);
      if (parsed.warning === null) return result;
      return { value: result.value, problems: [warning(file, '', parsed.warning), ...result.problems] };
    } catch (error) {
      if (error instanceof FileError || error instanceof SchemaError) return bad(error.message);
      throw error;
    }
  };

  return {
    get items() {
      return items;
    },
    get lookAgainAt() {
      return lookAgainAt;
    },
    get hasNews() {
      return hasNews;
    },
    memory() {
      const good = [...kept.values()].filter(({ problems }) => problems.length === 0);
      return Object.fromEntries(
        good.flatMap(({ file, signature, value }) => (value === null ? [] : [[file, { signature, value }]])),
      );
    },
    update(listing, now) {
      const next = new Map<string, Kept<T>>();
      let changed = false;
      lookAgainAt = null;
      for (const listed of listing) {
        const before = kept.get(listed.path);
        const same = before?.signature === listed.signature;
        const still = before?.vanishedAt === null ? before : before && { ...before, vanishedAt: null };
        next.set(listed.path, same && still ? still : take(listed, before));
        changed ||= !same;
      }
      const hidden = listing.filter(({ kind }) => kind === 'unreadable').map(({ path }) => `${path}/`);
      for (const [file, before] of kept) {
        if (next.has(file)) continue;
        if (hidden.some((folder) => file.startsWith(folder))) {
          next.set(file, before); // nobody can tell whether it is still there
          continue;
        }
        const vanishedAt = before.vanishedAt ?? now;
        if (now < vanishedAt + VANISHED_FOR) {
          next.set(file, { ...before, vanishedAt });
          lookAgainAt = Math.min(lookAgainAt ?? Number.POSITIVE_INFINITY, vanishedAt + VANISHED_FOR);
        } else changed = true;
      }
      kept = next;
      if (changed) items = [...next.values()];
    },
  };
}
