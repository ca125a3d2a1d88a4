import { expect, it } from 'vitest';
import { problem, problemLine } from '../../src/ground/problem.js';

it.each([
  ['a\u001b[31mb.json', 'ab.json: /x: y'],
  ['a\r\nb.json', 'a b.json: /x: y'],
  ['a\u202egnp.json', 'a gnp.json: /x: y'],
  ['a\u2028b\u0085.json', 'a b .json: /x: y'],
  ['日本 – ü.json', '日本 – ü.json: /x: y'],
])('a problem is one line that no terminal obeys: %j', (file, line) => {
  expect(problemLine(problem(file, '/x', 'y'))).toBe(line);
});
