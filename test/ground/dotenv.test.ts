import { describe, expect, it } from 'vitest';
import { decode } from '../../src/adapters/files/bytes.js';
import { readDotenv } from '../../src/ground/dotenv.js';

const read = (text: string) => {
  const { values, troubles } = readDotenv(text);
  return [values, troubles.map(({ line, severity }) => `${severity} ${line}`)];
};

describe('.env is read as its users mean it', () => {
  it.each<[what: string, text: string, values: object]>([
    ['a byte order mark', '\uFEFFA=1\nB=2', { A: '1', B: '2' }],
    ['UTF-16', decode(Buffer.from('\uFEFFA=ü\r\nB=2\r\n', 'utf16le')), { A: 'ü', B: '2' }],
    ['line ends of all systems', 'A=1\r\nB=2\rC=3\n\n', { A: '1', B: '2', C: '3' }],
    ['indented comments and lines', '  # note\n\tA=1\n   B=2 \n#C=3', { A: '1', B: '2' }],
    ['export', 'export A=1\n  export\tB="2"\nexport_C=3', { A: '1', B: '2', export_C: '3' }],
    [
      '# within a value and behind it',
      'A=s3cr#et\nB=x # of the team\nC=#1\nD= # none\nE=x\t#',
      {
        A: 's3cr#et',
        B: 'x',
        C: '#1',
        D: '',
        E: 'x',
      },
    ],
    ['# in quotes', `A="a # b" # c\nB='a # b'#c\nC=\`a # b\``, { A: 'a # b', B: 'a # b', C: 'a # b' }],
    ['blanks about =', 'A = 1\nB= 2 3 \nC =', { A: '1', B: '2 3', C: '' }],
    ['= in a value', 'A=b=c==\nB="="', { A: 'b=c==', B: '=' }],
    [
      'quotes',
      `A='it"s'\nB="it's"\nC=''\nD=""\nE=a"b"c\nF='\\n$X'`,
      {
        A: 'it"s',
        B: "it's",
        C: '',
        D: '',
        E: 'a"b"c',
        F: '\\n$X',
      },
    ],
    ['escapes', String.raw`A="a\nb\t\"c\"\\" B="x"`.split(' ').join('\n'), { A: 'a\nb\t"c"\\', B: 'x' }],
    ['other backslashes', `${String.raw`A="C:\dir\$x\q"`}\nB=a\\nb`, { A: 'C:\\dir$x\\q', B: 'a\\nb' }],
    [
      'values over lines',
      `A="-----BEGIN\r\nabc\n\n-----END" # key\nB='1\n2'\nC=3`,
      {
        A: '-----BEGIN\nabc\n\n-----END',
        B: '1\n2',
        C: '3',
      },
    ],
    ['blanks at the ends of such lines', 'A=" x \t\n y "\nB=2', { A: ' x \t\n y ', B: '2' }],
    ['a name twice: the last', 'A=1\nA=2', { A: '2' }],
    ['what is not expanded', 'A=$B ${C} $(d)', { A: '$B ${C} $(d)' }],
    ['nothing', '', {}],
  ])('%s', (_, text, values) => {
    expect(read(text)).toEqual([values, []]);
  });

  it.each<[what: string, text: string, values: object, troubles: string[]]>([
    ['a quote that is not closed', `A=1\nB="x\nC=3`, { A: '1', C: '3' }, ['error 2']],
    ['a single quote that is not closed', `B='x\nC=3\n`, { C: '3' }, ['error 1']],
    ['one that another line closes', `A="x\nB="y"\nC=3`, { B: 'y', C: '3' }, ['error 1']],
    ['something behind a quote', `A="x"y\nB='it\\'s'\nC=3`, { C: '3' }, ['error 1', 'error 2']],
    [
      'lines that set nothing',
      'A\nexport B\nC: 3\n=4\n5=5\nD-E F=6\nG=7',
      { G: '7' },
      [1, 2, 3, 4, 5, 6].map((n) => `warning ${n}`),
    ],
    ['a NUL', 'A=x\0y\nB=1', { B: '1' }, ['error 1']],
    ['bytes that are no UTF-8', decode(Buffer.from('A=für\nB=1', 'latin1')), { B: '1' }, ['error 1']],
  ])('%s is said, and costs that line alone', (_, text, values, troubles) => {
    expect(read(text)).toEqual([values, troubles]);
  });

  it('names that every object has are names', () => {
    for (const name of Object.getOwnPropertyNames(Object.prototype)) {
      expect(Object.entries(readDotenv(`${name}=1`).values)).toEqual([[name, '1']]);
    }
  });

  it('nothing of a value is in what is said', () => {
    const text = 'made-up-secret-1\nA="made-up-secret-2\nB="x" made-up-secret-3';
    expect(JSON.stringify(readDotenv(text).troubles)).not.toContain('made-up');
  });

  it('100,000 odd lines take no longer than they should', () => {
    for (const line of ['A="\\"', "A='", 'A="x" y', 'A', 'export '.repeat(20), '" " " "'])
      readDotenv(`${line}\n`.repeat(100_000));
  });
});
