import { applyEdits, type FormattingOptions, findNodeAtLocation, modify, parseTree } from 'jsonc-parser';
import type { Update } from '../ground/formats/format.js';
import { formatOf } from '../ground/formats/index.js';
import { isRecord } from '../ground/problem.js';
import type { Secret } from '../ground/secret.js';
import type { Token } from '../ground/token.js';
import { acquiredFor, asWanted, firstContent, notYetThere } from '../ground/wanted.js';
import { type Documents, SchemaError } from '../ports/documents.js';
import { FileError, type Files, type Reservation } from '../ports/files.js';
import type { Locks } from '../ports/locks.js';
import type { Place, Saved, TokenStore } from '../ports/stores.js';

/** Room for tokens that are longer than those they replace. */
const ROOM_BYTES = 16 * 1024;
/** Seconds that the tokens of one file wait for one another. */
const FILE_PATIENCE = 30;
/** What unlink says of a file that its folder does not let go. */
const KEPT_IN_PLACE = new Set(['EBUSY', 'EPERM', 'EACCES']);

/** Tokens in files, each kept as whoever wrote it laid it out. */
export function tokenFiles(
  files: Files,
  documents: Documents,
  locks: Locks,
  isSpent: (token: Token) => boolean,
): TokenStore {
  const read = (file: string): { text: string; document: Record<string, unknown> } | null => {
    if (files.look(file)?.kind !== 'file') return null;
    const text = files.read(file);
    const parsed = documents.parse(text);
    return 'value' in parsed && isRecord(parsed.value) ? { text, document: parsed.value } : null;
  };
  const tokenIn = (document: Record<string, unknown>, { file, at }: Place): Token | null => {
    const tokens = formatOf(file, document).read(file, document);
    return tokens.find((token) => keyOf(token) === keyOf({ at })) ?? null;
  };
  /** What a save changes: the file, or what it begins with; null while somebody else is writing it. */
  const present = ({ file, wanted }: Token): { text: string; document: Record<string, unknown> } | null => {
    const there = read(file);
    if (there || files.look(file)) return there;
    const document = wanted ? firstContent(wanted) : {};
    return { text: `${JSON.stringify(document, null, 2)}\n`, document };
  };
  /** A file that its schema refuses is left as it is: nothing is spent that would have to be written into it. */
  const isRefused = (file: string, document: Record<string, unknown>): boolean => {
    try {
      return documents.validate(formatOf(file, document).schema, document).length > 0;
    } catch (error) {
      if (error instanceof SchemaError) return true;
      throw error;
    }
  };
  const reread = (token: Place & Pick<Token, 'wanted'>): Token | null => {
    const now = read(token.file);
    if (now && isRefused(token.file, now.document)) return null;
    const found = now && tokenIn(now.document, token);
    if (found) return named(found, token);
    return token.wanted && (now || !files.look(token.file)) ? named(notYetThere(token.wanted), token) : null;
  };

  const save = async (token: Token, room: Pick<Reservation, 'fill'>, update: Update): Promise<Saved> => {
    const now = present(token);
    if (!now) throw new FileError('EBUSY', 'is being written by another program');
    const found = tokenIn(now.document, token);
    const there = found ? named(found, token) : token.wanted && notYetThere(token.wanted);
    if (!there) return 'away';
    if (!same(there, token)) {
      // A save that was said to have failed, as its answer was lost, may have been made.
      if (holds(there, update)) return named(there, token);
      // What was spent before is an old copy that somebody has written back, and nobody's decision.
      if (!isSpent(there)) return 'superseded';
    }
    const begun = token.wanted ? { ...now.document, ...acquiredFor(token.wanted) } : now.document;
    const next = formatOf(token.file, begun).update(begun, token.at, update);
    await room.fill(rewrite(now.text.replace(/^\uFEFF/, ''), now.document, next));
    return named(tokenIn(next, token) ?? there, token);
  };

  /** Two tokens of one file, each under its own lock, would overwrite one another's. */
  const alone = async <T>({ file, at }: Place, write: () => Promise<T>): Promise<T> => {
    if (at.length === 0) return write();
    const lock = await locks.acquire({ file, at: null }, FILE_PATIENCE);
    if (!lock) throw new FileError('ELOCKED', 'is being written by another program');
    try {
      return await write();
    } finally {
      await lock.release();
    }
  };

  return {
    reread: async (token) => reread(token),
    async reserve(token) {
      const room = await files.reserve(token.file, ROOM_BYTES);
      return {
        release: () => room.release(),
        async save(update) {
          return alone(token, () => save(token, room, update));
        },
      };
    },
    restore: (token, update) =>
      alone(token, () => save(token, { fill: (text) => files.write(token.file, text) }, update)),
    async remove(place) {
      return alone(place, async () => {
        if (!files.look(place.file)) return;
        if (place.at.length === 0) return removeFile(files, place.file);
        const there = read(place.file);
        if (!there) throw new FileError('EINVAL', 'is not a JSON object; fix or delete it');
        if (!tokenIn(there.document, place)) return;
        const mark = there.text.startsWith('\uFEFF') ? '\uFEFF' : '';
        const text = withoutEntry(there.text.slice(mark.length), place.at);
        const left = documents.parse(text);
        if (!('value' in left) || !isRecord(left.value) || tokenIn(left.value, place)) {
          throw new FileError('EINVAL', 'is laid out so that the entry cannot be taken out of it; do that by hand');
        }
        await files.write(place.file, mark + text);
      });
    },
    async bring(place, fields, update) {
      return alone(place, async () => {
        const there = files.look(place.file) ? read(place.file) : { text: '{}\n', document: {} };
        if (!there) throw new FileError('EINVAL', 'is not a JSON object; mend or remove it first');
        const begun = withFields(there.document, place.at, fields);
        const next = formatOf(place.file, begun).update(begun, place.at, update);
        const after = placesIn(place.file, next);
        if (![...placesIn(place.file, there.document), keyOf(place)].every((key) => after.includes(key))) {
          throw new FileError('EINVAL', 'holds tokens of another kind; move them elsewhere first');
        }
        await files.write(place.file, rewrite(there.text.replace(/^\uFEFF/, ''), there.document, next));
      });
    },
  };
}

/** The text without one entry; everything else stands as it stood. */
function withoutEntry(text: string, at: readonly string[]): string {
  const tree = parseTree(text);
  const property = tree && findNodeAtLocation(tree, [...at])?.parent;
  const siblings = property?.parent?.children;
  if (!property || !siblings) return text;
  const index = siblings.indexOf(property);
  const [before, after] = [siblings[index - 1], siblings[index + 1]];
  const whole = property.parent ?? property;
  const [from, to] = after
    ? [property.offset, after.offset]
    : before
      ? [before.offset + before.length, property.offset + property.length]
      : [whole.offset + 1, whole.offset + whole.length - 1];
  return text.slice(0, from) + text.slice(to);
}

/** One that is a mount of its own, or protected by its folder, can only be emptied. */
async function removeFile(files: Files, file: string): Promise<void> {
  try {
    await files.remove(file);
  } catch (error) {
    if (!(error instanceof FileError) || !KEPT_IN_PLACE.has(error.code)) throw error;
    await files.write(file, '{}\n');
  }
}

function keyOf({ at }: Pick<Place, 'at'>): string {
  return at.join('\0');
}

/** Where in a document there are tokens. */
function placesIn(file: string, document: Record<string, unknown>): string[] {
  return formatOf(file, document).read(file, document).map(keyOf);
}

/** The token that was read again is the same one, by whatever name it goes and whatever asks for it. */
function named(found: Token, { name, wanted }: Pick<Token, 'name' | 'wanted'>): Token {
  return { ...(wanted ? asWanted(found, wanted) : found), name };
}

function withFields(
  document: Readonly<Record<string, unknown>>,
  [key, ...rest]: readonly string[],
  fields: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  if (key === undefined) return { ...document, ...fields };
  const inner = Object.hasOwn(document, key) ? document[key] : null;
  if (!isRecord(inner) && inner !== null)
    throw new FileError('EINVAL', `holds something else at "${key}"; mend it first`);
  return { ...document, [key]: withFields(isRecord(inner) ? inner : {}, rest, fields) };
}

/** Whether the store still holds what was spent: the refresh token, or the access token where there is none. */
function same(there: Token, spent: Token): boolean {
  return spent.refresh ? equal(there.refresh, spent.refresh) : equal(there.access, spent.access);
}

/** Whether it is what these tokens have made of it. */
function holds({ access, refresh }: Token, { grant }: Update): boolean {
  if (!grant.access && !grant.refresh) return false;
  return (!grant.access || equal(access, grant.access)) && (!grant.refresh || equal(refresh, grant.refresh));
}

function equal(a: Secret | null, b: Secret | null): boolean {
  return a?.reveal() === b?.reveal();
}

/**
 * The text with only what has changed written anew: layout, and numbers that JavaScript cannot hold, stay as they
 * were.
 */
function rewrite(
  text: string,
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
  path: readonly string[] = [],
): string {
  let next = text;
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [was, is] = [before[key], after[key]];
    if (was === is) continue;
    if (isRecord(was) && isRecord(is)) next = rewrite(next, was, is, [...path, key]);
    else next = applyEdits(next, modify(next, [...path, key], is, { formattingOptions: layoutOf(text) }));
  }
  return next;
}

function layoutOf(text: string): FormattingOptions {
  const indentation = /^\s*\{\r?\n([ \t]+)"/.exec(text)?.[1] ?? '  ';
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  return { insertSpaces: !indentation.startsWith('\t'), tabSize: indentation.length, eol };
}
