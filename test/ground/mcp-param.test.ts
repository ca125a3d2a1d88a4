import { describe, expect, it } from 'vitest';
import { markedArguments, paramHeaders } from '../../src/ground/mcp-param.js';

const schema = {
  type: 'object',
  properties: {
    region: { type: 'string', 'x-mcp-header': 'Region' },
    plain: { type: 'string' },
    where: {
      type: 'object',
      properties: { deep: { type: 'boolean', 'x-mcp-header': 'Deep' } },
      items: { properties: { no: { 'x-mcp-header': 'No' } } },
    },
    odd: { type: 'string', 'x-mcp-header': 'not a token' },
  },
};

describe('arguments that a schema marks', () => {
  it('are found at any depth of properties, and nowhere else', () => {
    expect(markedArguments(schema)).toEqual([
      { path: ['region'], header: 'Mcp-Param-Region' },
      { path: ['where', 'deep'], header: 'Mcp-Param-Deep' },
    ]);
    for (const none of [null, true, [], {}, { properties: [] }]) expect(markedArguments(none)).toEqual([]);
  });

  it.each([
    ['eu-west-1', 'eu-west-1'],
    ['a\tb', 'a\tb'],
    ['', '=?base64??='],
    [' padded', '=?base64?IHBhZGRlZA==?='],
    ['Grüße', '=?base64?R3LDvMOfZQ==?='],
    ['a\r\nEvil: 1', '=?base64?YQ0KRXZpbDogMQ==?='],
    ['=?base64?YQ==?=', '=?base64?PT9iYXNlNjQ/WVE9PT89?='],
    [42, '42'],
    [-1.5, '-1.5'],
    [false, 'false'],
  ])('%j becomes %j', (value, header) => {
    expect(paramHeaders(markedArguments(schema), { region: value })).toEqual({ 'Mcp-Param-Region': header });
  });

  it.each([[null], [undefined], [{}], [['a']], [Number.NaN], [2 ** 53]])('%j has none', (value) => {
    expect(paramHeaders(markedArguments(schema), { region: value })).toEqual({});
  });

  it('are looked up where they are', () => {
    expect(paramHeaders(markedArguments(schema), { where: { deep: true } })).toEqual({ 'Mcp-Param-Deep': 'true' });
    for (const args of [undefined, null, 'text', { where: 1 }]) {
      expect(paramHeaders(markedArguments(schema), args)).toEqual({});
    }
  });
});
