import type { Readable, Transform } from 'node:stream';
import { constants, createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';

// What has come of a body that was cut off is worth having.
const ZLIB = { finishFlush: constants.Z_SYNC_FLUSH };
const BROTLI = { finishFlush: constants.BROTLI_OPERATION_FLUSH };

/** By the names of RFC 9110 section 8.4.1. */
const DECODERS: ReadonlyMap<string, () => Transform> = new Map([
  ['gzip', () => createGunzip(ZLIB)],
  ['x-gzip', () => createGunzip(ZLIB)],
  ['deflate', () => createInflate(ZLIB)],
  ['br', () => createBrotliDecompress(BROTLI)],
]);
/** More than a few on one answer is nothing that anybody means. */
const MOST = 4;

/** For `Accept-Encoding`: without it a server may choose any coding there is. */
export const ACCEPTED_CODINGS = 'gzip, deflate, br';

/** What undoes the codings of an answer, in the order in which that is done; null when one of them is not known. */
export function decodersFor(contentEncoding: string | undefined): Transform[] | null {
  const names = (contentEncoding ?? '').toLowerCase().split(',', MOST + 1);
  const codings = names.map((name) => name.trim()).filter((name) => name !== '' && name !== 'identity');
  const known = codings.flatMap((name) => DECODERS.get(name) ?? []);
  return known.length < codings.length || known.length > MOST ? null : known.reverse().map((make) => make());
}

/** The body through its decoders; an error anywhere on the way is one of what comes out. */
export function through(body: Readable, decoders: readonly Transform[]): Readable {
  return decoders.reduce<Readable>((source, decoder) => {
    source.once('error', (error) => decoder.destroy(error));
    return source.pipe(decoder);
  }, body);
}
