import type { Readable } from 'node:stream';

/** What of a refusal is read: bytes, and milliseconds that are waited for it. */
const MOST_OF_REFUSAL = 64 * 1024;
const REFUSAL_PATIENCE = 2000;

export interface BodyLimits {
  /** Bytes of one answer or, of a stream, of one event. */
  readonly most: number;
  /** Resolves when more can be taken. */
  readonly ready: () => Promise<void>;
}

/** The pieces of an event stream, no faster than they are taken; an event without end is an error. */
export async function* events(source: Readable, { most, ready }: BodyLimits): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const piece of source as AsyncIterable<Buffer>) {
    await ready();
    const end = Math.max(...EVENT_ENDS.map((mark) => piece.lastIndexOf(mark)));
    size = end < 0 ? size + piece.length : piece.length - end;
    if (size > most) throw new Error(`an event of the server is longer than ${most} bytes`);
    yield piece;
  }
}

const EVENT_ENDS = ['\n\n', '\r\n\r\n', '\r\r'];

/** All of a body. */
export async function whole(source: Readable, { most, ready }: BodyLimits): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of source as AsyncIterable<Buffer>) {
    await ready();
    size += piece.length;
    if (size > most) throw new Error(`the answer of the server is longer than ${most} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** The beginning of a body that is no message, and as much of it as comes soon. */
export async function beginning(source: Readable): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  const timer = setTimeout(() => source.destroy(), REFUSAL_PATIENCE);
  try {
    for await (const piece of source as AsyncIterable<Buffer>) {
      pieces.push(piece.subarray(0, MOST_OF_REFUSAL - size));
      size += piece.length;
      if (size >= MOST_OF_REFUSAL) break;
    }
  } catch {
    // What has come of it is what there is.
  }
  clearTimeout(timer);
  return Buffer.concat(pieces).toString('utf8');
}
