import { expect, it } from 'vitest';
import { whyOutOfReach } from '../../src/ground/reach.js';

const HERE = [
  '127.0.0.1',
  '127.1.2.3',
  '0.0.0.0',
  'localhost',
  'LOCALHOST',
  'localhost.',
  'a.localhost',
  '::1',
  '[::1]',
  '[::]',
  '[::ffff:7f00:1]',
  '::ffff:127.0.0.1',
  '[64:ff9b::7f00:1]',
  '[2002:7f00:1::]',
];
const LINK = ['169.254.169.254', '[fe80::1]', 'fe80::1%eth0', '[::ffff:a9fe:a9fe]'];
const NEAR = [
  '10.0.0.1',
  '172.16.0.1',
  '172.31.255.1',
  '192.168.1.1',
  '100.64.0.1',
  '[fc00::1]',
  '[fd12:3456::1]',
  '::ffff:10.1.2.3',
  '224.0.0.1',
  '255.255.255.255',
];
const FAR = [
  '8.8.8.8',
  '172.32.0.1',
  '11.0.0.1',
  '100.128.0.1',
  '192.169.0.1',
  'mcp.acme.test',
  'localhost.evil.test',
  'notlocalhost',
  '[2001:db8::1]',
  '10.evil.test',
];

const reach = (from: string, to: readonly string[]) => to.filter((host) => whyOutOfReach(from, host) === null);

it.each<[from: string, reaches: readonly string[]]>([
  ['mcp.elsewhere.test', FAR],
  ['9.9.9.9', FAR],
  ['10.9.9.9', [...NEAR, ...FAR]],
  ['127.0.0.9', [...HERE, ...NEAR, ...FAR]],
  ['169.254.9.9', [...LINK, ...NEAR, ...FAR]],
])('what %s says leads to nothing nearer than itself', (from, reaches) => {
  expect(reach(from, [...HERE, ...LINK, ...NEAR, ...FAR])).toEqual(reaches);
});

it('everybody may name themselves', () => {
  for (const host of [...HERE, ...LINK, ...NEAR, ...FAR]) expect(whyOutOfReach(host, host)).toBeNull();
});

it('says what it is', () => {
  expect(whyOutOfReach('mcp.test', '169.254.169.254')).toBe(
    '169.254.169.254 is a link-local address, and mcp.test is not; it is not asked',
  );
});

it('URLs write all forms of an address alike', () => {
  for (const url of [
    'http://2130706433/',
    'http://0x7f.1/',
    'http://017700000001/',
    'http://127.1/',
    'http://[0:0:0:0:0:ffff:127.0.0.1]/',
    'http://127.0.0.1./',
  ])
    expect(whyOutOfReach('mcp.test', new URL(url).hostname)).toContain('this machine');
});
