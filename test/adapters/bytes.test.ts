import { describe, expect, it } from 'vitest';
import { decode, encode } from '../../src/adapters/files/bytes.js';
import { randomFrom } from '../fixtures/random.js';

describe('the bytes of a file', () => {
  it.each<[what: string, bytes: Buffer, text: string]>([
    ['UTF-8', Buffer.from('{"a": "ü 😀 \uFFFD"}'), '{"a": "ü 😀 \uFFFD"}'],
    ['Latin-1', Buffer.from('{"a": "für"}', 'latin1'), '{"a": "f\uDCFCr"}'],
    ['a character cut off', Buffer.from([0x61, 0xf0, 0x9f, 0x98]), 'a\uDCF0\uDC9F\uDC98'],
    ['one after a good one', Buffer.from([0xc3, 0xbc, 0xfc]), 'ü\uDCFC'],
    ['a surrogate in UTF-8', Buffer.from([0xed, 0xb3, 0xbc]), '\uDCED\uDCB3\uDCBC'],
    ['an overlong slash', Buffer.from([0xc0, 0xaf]), '\uDCC0\uDCAF'],
  ])('that are %s are the same ones again', (_, bytes, text) => {
    expect(decode(bytes)).toBe(text);
    expect(encode(text)).toEqual(bytes);
  });

  it('of whatever value are the same ones again', () => {
    const random = randomFrom(13);
    for (let round = 0; round < 2000; round += 1) {
      const bytes = Buffer.from(Array.from({ length: 1 + random() * 12 }, () => 0x61 + Math.floor(random() * 0x9f)));
      expect(encode(decode(bytes))).toEqual(bytes);
    }
  });

  it.each([
    ['little', Buffer.from('\uFEFF{"a": "ü😀"}', 'utf16le')],
    ['big', Buffer.from('\uFEFF{"a": "ü😀"}', 'utf16le').swap16()],
  ])('that are UTF-16, %s end first, are text', (_, bytes) => {
    expect(decode(bytes)).toBe('\uFEFF{"a": "ü😀"}');
  });
});
