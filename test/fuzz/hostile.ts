import type { Dice } from './dice.js';

/** What every secret of the fuzz begins with: it is never to be seen. */
export const SECRET = 'made-up-fuzz-secret';

const OBJECT_NAMES = Object.getOwnPropertyNames(Object.prototype);
const TEXTS = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\ud800',
  '\udfff\ud800',
  '\uFEFF',
  '\u202e\u0007\u001b[31m',
  '\n',
  '\r\n',
  '${HOME}',
  '$X',
  '{constructor}',
  '{tenant}',
  '../../etc/passwd',
  '/',
  '.',
  '..',
  '"',
  "'",
  '`',
  '\\',
  '#',
  '=',
  ',',
  'null',
  'true',
  '-1',
  '1e999',
  '2025-13-45T99:99:99Z',
  '1970-01-01',
  'http://',
  'https://user:pw@h.example/x?y#z',
  'http://[::1]:99999/',
  'http://127.0.0.1:9/mcp',
  'javascript:alert(1)',
  'unix:/tmp/x',
  '日本',
  '🎉',
];

export function hostileText(dice: Dice): string {
  if (dice.oneIn(4)) return dice.pick(OBJECT_NAMES);
  if (dice.oneIn(12))
    return dice
      .pick(['/', '-', '"', ' ', '\\', '{', '[', 'é', '\n', '=', '<', '.'])
      .repeat(dice.pick([100, 5000, 100_000]));
  const text = dice.pick(TEXTS);
  return dice.oneIn(3) ? text + dice.pick(TEXTS) : text;
}

export function hostileValue(dice: Dice, depth = 0): unknown {
  switch (dice.below(depth > 3 ? 6 : 9)) {
    case 0:
      return null;
    case 1:
      return dice.oneIn(2);
    case 2:
      return dice.pick([
        0,
        -0,
        -1,
        1.5,
        1e21,
        1e308,
        2 ** 53,
        1_700_000_000,
        1_700_000_000_000,
        4_000_000_000,
        Number.MIN_VALUE,
      ]);
    case 6:
      return dice.some([0, 1, 2, 3]).map(() => hostileValue(dice, depth + 1));
    case 7:
      return Object.fromEntries(dice.some([0, 1, 2, 3]).map(() => [hostileText(dice), hostileValue(dice, depth + 1)]));
    default:
      return hostileText(dice);
  }
}

/** A document with some of its values replaced, fields taken away, and others added; secrets stay at their names. */
export function mutated(dice: Dice, value: unknown, depth = 0): unknown {
  if (Array.isArray(value)) return value.flatMap((item) => (dice.oneIn(9) ? [] : [mutated(dice, item, depth + 1)]));
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).flatMap(([name, inner]): [string, unknown][] => {
      if (dice.oneIn(15)) return [];
      if (dice.oneIn(8)) return [[name, hostileValue(dice)]];
      return [[name, mutated(dice, inner, depth + 1)]];
    });
    if (dice.oneIn(4)) fields.push([hostileText(dice), hostileValue(dice)]);
    return Object.fromEntries(fields);
  }
  return value;
}

/** The text of a document as somebody else may have written it, or half written it. */
export function writtenBy(dice: Dice, document: unknown): Buffer {
  let text = JSON.stringify(document, null, dice.pick([0, 2, '\t']));
  if (dice.oneIn(15)) text = `\uFEFF${text}`;
  if (dice.oneIn(15)) text = text.slice(0, dice.below(text.length + 1));
  if (dice.oneIn(20)) text = text.replace('{', `{"${dice.pick(OBJECT_NAMES)}": {"a": 1}, `);
  if (dice.oneIn(20)) text = text.replace(/"([a-z_]+)":/, '"$1": 1, "$1":');
  if (dice.oneIn(25)) return Buffer.from(text, 'utf16le');
  const bytes = Buffer.from(text, dice.oneIn(20) ? 'latin1' : 'utf8');
  for (let n = dice.oneIn(12) ? dice.below(8) : 0; n > 0 && bytes.length > 0; n -= 1) {
    bytes[dice.below(bytes.length)] = dice.below(256);
  }
  return bytes;
}
