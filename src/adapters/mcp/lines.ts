/** A line that is longer than what is kept of one. */
export const TOO_LONG = Symbol('a line that is too long');

/** Puts lines together from pieces, each byte of them looked at once. */
export function createLines(most: number) {
  let pieces: Buffer[] = [];
  let size = 0;
  const keep = (piece: Buffer): void => {
    size += piece.length;
    if (size <= most) pieces.push(piece);
    else pieces = [];
  };
  const take = (): string | typeof TOO_LONG => {
    const line = size <= most ? Buffer.concat(pieces).toString('utf8') : TOO_LONG;
    pieces = [];
    size = 0;
    return line;
  };
  return {
    /** The lines that a piece completes. */
    *add(piece: Buffer): Generator<string | typeof TOO_LONG> {
      let start = 0;
      for (let end = piece.indexOf(LINE_FEED); end >= 0; end = piece.indexOf(LINE_FEED, start)) {
        keep(piece.subarray(start, end));
        start = end + 1;
        yield take();
      }
      keep(piece.subarray(start));
    },
    /** What has come after the last line. */
    rest: take,
  };
}

const LINE_FEED = 0x0a;
