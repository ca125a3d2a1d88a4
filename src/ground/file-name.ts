const LONGEST = 150;

/** Where something is kept: a file relative to the root, and the keys that lead to it there; null for all of the file. */
export interface KeptAt {
  readonly file: string;
  readonly at: readonly string[] | null;
}

/** What a place is known by: its file, and the JSON pointer of what is meant in it. */
export function placeKey({ file, at }: KeptAt): string {
  if (at === null) return `${file}#`;
  return at.length === 0
    ? file
    : `${file}#${at.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')}`;
}

/** The name, without its ending, of the files in which something about a place is remembered. */
export function stateNameOf(place: KeptAt, digest: (text: string) => string): string {
  const key = placeKey(place);
  const usual = key.startsWith('.oauth-tokens/') ? key.slice('.oauth-tokens/'.length) : `./${key}`;
  return fileNameFor(usual.replace(/\.json$/, ''), digest);
}

/** A file name for any text, the same for the same text and another for another; `digest` shortens long ones. */
export function fileNameFor(text: string, digest: (text: string) => string): string {
  // Half of a surrogate pair, as JSON can hold it, has no percent-encoding: the digest tells such texts apart.
  const safe = encodeURIComponent(text.toWellFormed()).replaceAll('*', '%2A');
  if (text.isWellFormed() && safe.length <= LONGEST && !safe.startsWith('.')) return safe;
  return `${safe.replace(/^\.+/, '').slice(0, LONGEST / 2)}-${digest(text).slice(0, 16)}`;
}
