import { expect } from 'vitest';
import { sha256 } from '../../../src/adapters/digest.js';
import { decode, encode } from '../../../src/adapters/files/bytes.js';
import { errorOf } from '../../../src/bridge/failures.js';
import { readDotenv } from '../../../src/ground/dotenv.js';
import { fileNameFor } from '../../../src/ground/file-name.js';
import { globBase } from '../../../src/ground/glob.js';
import { cleanToken, readPasted } from '../../../src/ground/pasted.js';
import { redactor } from '../../../src/ground/redaction.js';
import { foreignText, Secret } from '../../../src/ground/secret.js';
import { keyOf } from '../../../src/ground/server.js';
import { tokenName } from '../../../src/ground/token.js';
import { HttpFailure } from '../../../src/ports/mcp.js';
import type { Dice } from '../dice.js';
import { hostileText, SECRET } from '../hostile.js';
import type { Target } from '../target.js';

const NAMES = ['A', 'LOG_LEVEL', 'X_1', '__proto__', 'constructor'];

/** The rules that take text of others. */
export const texts: Target = {
  name: 'texts',
  weight: 4,
  async run(dice) {
    const [one, other] = [hostileText(dice) + hostileText(dice), hostileText(dice)];
    const names = [one, other].map((text) => fileNameFor(text, sha256));
    expect(names[0] === names[1]).toBe(one === other);
    for (const name of names) expect(name).toMatch(/^[^./\0][^/\0]{0,240}$|^$/);
    expect(keyOf(one)).toMatch(/^[A-Za-z0-9_-]{0,64}$/);
    const wanted = { names: [], provider: null, addresses: [] };
    for (const read of [cleanToken, tokenName, globBase]) read(one);
    readPasted(one, wanted);
    expect(foreignText(`${one}${SECRET}${other}`, [new Secret(SECRET)])).not.toContain(SECRET);
    expect(JSON.stringify(errorOf(new HttpFailure(500, '', one), redactor([])))).not.toMatch(/\\u00[01]/);

    const bytes = Buffer.from(Array.from({ length: dice.below(40) }, () => (dice.oneIn(2) ? 0x61 : dice.below(256))));
    const isUtf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
    if (!isUtf16) expect(encode(decode(bytes))).toEqual(bytes);

    // What a person has set is read, whatever stands around it.
    const set = new Map(
      dice.some(NAMES).map((name) => [
        name,
        `${hostileText(dice)
          .replace(/[\0"\\]/g, '')
          .slice(0, 300)}x`,
      ]),
    );
    const lines = [...set].map(([name, value]) => [
      `${dice.pick(['', 'export ', '  '])}${name}="${value}"`,
      junk(dice),
    ]);
    const { values } = readDotenv(lines.flat().join('\n'));
    for (const [name, value] of set) {
      if (value.isWellFormed()) expect(values[name]).toBe(value.replace(/\r\n|\r/g, '\n'));
    }
    const { troubles } = readDotenv(`${other}\n${one}\nS="${SECRET}\n${SECRET} x\n`);
    expect(JSON.stringify(troubles)).not.toContain(SECRET);
  },
};

/** A line that sets nothing and opens nothing. */
function junk(dice: Dice): string {
  return dice.pick(['', '# "', 'no assignment', '=x', '   ', '1=2', '\t#']);
}
