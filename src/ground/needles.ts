/** Texts that are looked for in others, however many there are. */
export interface NeedleSet {
  /** Where they stand in the text. */
  in(text: string): Iterable<readonly [start: number, end: number]>;
  /** With how much of the beginning of one of them the text ends, as where it was cut. */
  cutIn(text: string): number;
}

const SHORTEST = 4;
/** Longer ones are looked for in pieces, so that a text is never compared with more at any of its places. */
const LONGEST = 4096;
/** Letters by which one is found among many: its last ones, as tokens of one issuer begin alike. */
const KEY = 8;
/** So many are looked for one by one. */
const FEW = 64;
/** Of less nobody can tell that it is one of them. */
const SHORTEST_CUT = 12;

/** Takes time in proportion to the text, for many of them whatever their number. Those of less than 4 letters are none. */
export function needleSet(texts: Iterable<string>): NeedleSet {
  const needles = [...new Set([...texts].flatMap(inPieces))].filter(({ length }) => length >= SHORTEST);
  if (needles.length <= FEW) return { in: (text) => eachIn(text, needles), cutIn: (text) => longestCut(text, needles) };
  const byEnd = new Map<string, string[]>();
  for (const needle of needles) {
    const key = needle.slice(-(needle.length < KEY ? SHORTEST : KEY));
    const alike = byEnd.get(key);
    if (alike) alike.push(needle);
    else byEnd.set(key, [needle]);
  }
  return { in: (text) => allIn(text, byEnd), cutIn: () => 0 };
}

function inPieces(text: string): string[] {
  if (text.length <= LONGEST) return [text];
  return Array.from({ length: Math.ceil(text.length / LONGEST) }, (_, n) => text.slice(n * LONGEST, (n + 1) * LONGEST));
}

/** Where one text stands in another. */
export function* placesOf(text: string, needle: string): Generator<number> {
  for (let at = text.indexOf(needle); at >= 0; at = text.indexOf(needle, at + needle.length)) yield at;
}

function* eachIn(text: string, needles: readonly string[]): Generator<readonly [number, number]> {
  for (const needle of needles) for (const at of placesOf(text, needle)) yield [at, at + needle.length];
}

function* allIn(text: string, byEnd: ReadonlyMap<string, readonly string[]>): Generator<readonly [number, number]> {
  for (let end = SHORTEST; end <= text.length; end += 1) {
    for (const length of [KEY, SHORTEST]) {
      for (const needle of byEnd.get(text.slice(Math.max(0, end - length), end)) ?? []) {
        if (text.endsWith(needle, end)) yield [end - needle.length, end];
      }
    }
  }
}

function longestCut(text: string, needles: readonly string[]): number {
  const lengths = needles.map((needle) => cutLength(text, needle)).filter((length) => length >= SHORTEST_CUT);
  return Math.max(0, ...lengths);
}

/** How much of the needle's beginning the text ends with; less than all of it. Knuth, Morris and Pratt's way. */
function cutLength(text: string, needle: string): number {
  const end = text.slice(-(needle.length - 1));
  if (!end.includes(needle.slice(0, SHORTEST_CUT))) return 0;
  const back = new Uint32Array(needle.length);
  for (let at = 1, length = 0; at < needle.length; at += 1) {
    while (length > 0 && needle[at] !== needle[length]) length = back[length - 1] ?? 0;
    if (needle[at] === needle[length]) length += 1;
    back[at] = length;
  }
  let length = 0;
  for (const letter of end.split('')) {
    while (length > 0 && letter !== needle[length]) length = back[length - 1] ?? 0;
    if (letter === needle[length]) length += 1;
  }
  return length;
}
