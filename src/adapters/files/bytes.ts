import { isUtf8 } from 'node:buffer';

/** A byte that is no UTF-8 is this and its value, as Python's `surrogateescape` has it: half of a pair, which text never has. */
const ESCAPED = 0xdc00;
const ESCAPES = /([\uDC80-\uDCFF])/u;

/**
 * The text of a file, with nothing lost: bytes that are no UTF-8 become characters that `encode` makes the same bytes
 * of again. UTF-16, which Windows writes, is read where a byte order mark announces it.
 */
export function decode(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8');
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return bytes.toString('utf16le');
  if (bytes[0] === 0xfe && bytes[1] === 0xff) {
    return Buffer.from(bytes.subarray(0, bytes.length & ~1))
      .swap16()
      .toString('utf16le');
  }
  let text = '';
  let start = 0;
  for (let at = 0; at < bytes.length; ) {
    const length = characterAt(bytes, at);
    if (length === 0) {
      text += bytes.toString('utf8', start, at) + String.fromCharCode(ESCAPED + (bytes[at] ?? 0));
      start = at + 1;
    }
    at += length || 1;
  }
  return text + bytes.toString('utf8', start);
}

export function encode(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text);
  const parts = text.split(ESCAPES);
  return Buffer.concat(
    parts.map((part, index) => (index % 2 === 0 ? Buffer.from(part) : Buffer.of(part.charCodeAt(0) - ESCAPED))),
  );
}

/** How many bytes the character that begins here has; 0 when none does. */
function characterAt(bytes: Buffer, at: number): number {
  const first = bytes[at] ?? 0;
  const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  return at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)) ? length : 0;
}
