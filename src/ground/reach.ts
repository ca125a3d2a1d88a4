/** How near to this machine an address is: `here` is the machine itself, `link` what needs no router, `near` a network of its own. */
type Nearness = 'here' | 'link' | 'near' | 'far';

const WORDS: Readonly<Record<Nearness, string>> = {
  here: 'this machine itself',
  link: 'a link-local address',
  near: 'a private network',
  far: 'the internet',
};
const ORDER: readonly Nearness[] = ['here', 'near', 'far'];

/**
 * Why what a server at one place says must not lead a request to another; null when it may. Who is far away is not to
 * have this machine ask what only this machine, or its network, can reach.
 */
export function whyOutOfReach(from: string, to: string): string | null {
  if (from === to) return null;
  const [theirs, asked] = [nearnessOf(from), nearnessOf(to)];
  const least = ORDER.indexOf(theirs === 'link' ? 'near' : theirs);
  const may = asked === 'link' ? theirs === 'link' : ORDER.indexOf(asked) >= least;
  return may ? null : `${to} is ${WORDS[asked]}, and ${from} is not; it is not asked`;
}

/** Of the host of a URL, or of an address that a name stands for. */
function nearnessOf(host: string): Nearness {
  const name = host.toLowerCase().replace(/^\[|\]$|\.$/g, '');
  if (/(?:^|\.)localhost(?:\.localdomain)?$/.test(name)) return 'here';
  const four = fourBytes(name);
  if (four) return nearnessOfFour(four);
  return name.includes(':') ? nearnessOfSix(wordsOf(name)) : 'far';
}

function fourBytes(name: string): readonly number[] | null {
  return /^\d{1,3}(?:\.\d{1,3}){3}$/.test(name) ? name.split('.').map(Number) : null;
}

function nearnessOfFour([a = 0, b = 0]: readonly number[]): Nearness {
  if (a === 127 || a === 0) return 'here';
  if (a === 169 && b === 254) return 'link';
  const isPrivate = a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168);
  // Carriers', and those for tests of routers; what is beyond 224 is nobody's.
  return isPrivate || (a === 100 && b >= 64 && b < 128) || (a === 198 && (b === 18 || b === 19)) || a >= 224
    ? 'near'
    : 'far';
}

function nearnessOfSix(words: readonly number[]): Nearness {
  const [first = 0] = words;
  const inner = (high = 0, low = 0): Nearness => nearnessOfFour([high >> 8, high & 255, low >> 8, low & 255]);
  if (words.slice(0, 7).every((word) => word === 0) && (words[7] ?? 0) < 2) return 'here';
  // Addresses of IPv4 in those of IPv6: mapped, translated, and 6to4.
  if (words.slice(0, 4).every((word) => word === 0)) return inner(words[6], words[7]);
  if (first === 0x64 && words[1] === 0xff9b) return inner(words[6], words[7]);
  if (first === 0x2002) return inner(words[1], words[2]);
  if ((first & 0xffc0) === 0xfe80) return 'link';
  return (first & 0xfe00) === 0xfc00 || (first & 0xffc0) === 0xfec0 || first >= 0xff00 ? 'near' : 'far';
}

/** The eight words of an address of IPv6. */
function wordsOf(name: string): number[] {
  const plain = (name.split('%')[0] ?? '').replace(/[\d.]+$/, (end) => {
    const four = fourBytes(end);
    if (!four) return end;
    const [a = 0, b = 0, c = 0, d = 0] = four;
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const [head = '', tail] = plain.split('::');
  const read = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16));
  const [before, after] = [read(head), read(tail ?? '')];
  return [...before, ...Array<number>(Math.max(0, 8 - before.length - after.length)).fill(0), ...after];
}
