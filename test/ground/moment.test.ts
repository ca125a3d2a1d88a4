import { describe, expect, it } from 'vitest';
import { humanMoment, readMoment, writeMoment } from '../../src/ground/moment.js';

const NINE = 1_763_715_600; // 2025-11-21T09:00:00Z

describe('reading', () => {
  it.each<[value: unknown, at: number]>([
    [NINE, NINE],
    [NINE + 0.482913, NINE + 0.482913],
    [0, 0],
    [String(NINE), NINE],
    [` ${NINE} `, NINE],
    [`${NINE}.25`, NINE + 0.25],
    ['2025-11-21T09:00:00Z', NINE],
    ['2025-11-21t09:00:00z', NINE],
    ['2025-11-21T09:00:00', NINE],
    ['2025-11-21 09:00:00', NINE],
    ['2025-11-21 09:00:00 UTC', NINE],
    ['2025-11-21T09:00Z', NINE],
    ['2025-11-21T10:00:00+01:00', NINE],
    ['2025-11-21T10:00:00+0100', NINE],
    ['2025-11-21T03:30:00-05:30', NINE],
    ['2025-11-21T09:00:00.500000+00:00', NINE + 0.5],
    ['2025-11-21T09:00:00,5Z', NINE + 0.5],
    ['2024-02-29T00:00:00Z', 1_709_164_800],
    ['9999-12-31T23:59:59Z', 253_402_300_799],
  ])('%j', (value, at) => {
    expect(readMoment(value)?.at).toBeCloseTo(at, 6);
  });

  it.each([
    null,
    undefined,
    true,
    '',
    ' ',
    'tomorrow',
    'null',
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    '1e9',
    '-5',
    '0x10',
    '2025-11-21',
    '2025-13-01T00:00:00Z',
    '2025-11-21T25:00:00Z',
    '2025-11-21T09:00:00 PST',
    '2025-11-21T09:00:00+99:00',
    [NINE],
    { at: NINE },
  ])('%j is none', (value) => {
    expect(readMoment(value)).toBeNull();
  });

  it.each(['2025-02-29T00:00:00Z', '2025-02-31T00:00:00Z', '2025-04-31T00:00:00Z'])('%s is no day', (value) => {
    expect(readMoment(value)).toBeNull();
  });
});

describe('writing keeps the style', () => {
  const LATER = 1_800_000_000.75; // 2027-01-15T08:00:00.75Z
  it.each<[style: string | number, written: string | number]>([
    [NINE, 1_800_000_000],
    [NINE + 0.5, 1_800_000_000.75],
    [String(NINE), '1800000001'],
    [`${NINE}.250`, '1800000000.750'],
    ['2025-11-21T09:00:00Z', '2027-01-15T08:00:00Z'],
    ['2025-11-21T09:00:00', '2027-01-15T08:00:00'],
    ['2025-11-21 09:00:00 UTC', '2027-01-15 08:00:00 UTC'],
    ['2025-11-21T09:00:00.123456+00:00', '2027-01-15T08:00:00.750000+00:00'],
    ['2025-11-21T10:00:00+01:00', '2027-01-15T09:00:00+01:00'],
    ['2025-11-21T03:30:00-0530', '2027-01-15T02:30:00-0530'],
  ])('%j', (style, written) => {
    const read = readMoment(style);
    const result = read && writeMoment(LATER, read.style);
    // A text without decimals may round either way: an expiry a second early or late is none.
    if (typeof style === 'string' && /^\d+$/.test(style)) expect(['1800000000', '1800000001']).toContain(result);
    else expect(result).toBe(written);
  });

  it('a float stays a float in JSON, also at a whole second', () => {
    const written = writeMoment(1_800_000_000, { kind: 'epoch', decimals: 6, text: false });
    expect(JSON.stringify(written)).toMatch(/^1800000000\.\d+$/);
  });

  it.each([-5, 1e15])('%d stays within what can be written', (at) => {
    const style = readMoment('2025-11-21T09:00:00Z')?.style;
    expect(style && readMoment(writeMoment(at, style))).not.toBeNull();
  });

  it('the twin for people', () => {
    expect(humanMoment(NINE + 0.9)).toBe('2025-11-21 09:00:00 UTC');
  });
});

describe('other ways to write a time, each written back as it was', () => {
  it.each<[unknown, unknown]>([
    [1_763_715_600_000, 1_763_719_200_000],
    ['1763715600000', '1763719200000'],
    [1_763_715_600_000_000, 1_763_719_200_000_000],
    [1_763_715_600_000_000_000, 1_763_719_200_000_000_000],
    ['Fri, 21 Nov 2025 09:00:00 GMT', 'Fri, 21 Nov 2025 10:00:00 GMT'],
    ['2025-11-21 09:00:00+00', '2025-11-21 10:00:00+00'],
    ['20251121T090000Z', '2025-11-21T10:00:00Z'],
  ])('%j', (value, anHourLater) => {
    const found = readMoment(value);
    expect(found?.at).toBe(1_763_715_600);
    expect(found && writeMoment(found.at + 3600, found.style)).toBe(anHourLater);
  });
});
