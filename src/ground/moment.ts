/** Points in time as token files write them: read to epoch seconds, written back in the style they had. */

const LATEST = 253_402_300_799; // the end of the year 9999: later than that, a Date cannot be written as ISO 8601

export type MomentStyle =
  | {
      readonly kind: 'epoch';
      readonly decimals: number;
      readonly text: boolean;
      /** How many of its units make a second; 1 where nothing is said. */
      readonly unit?: number;
    }
  | { readonly kind: 'http' }
  | { readonly kind: 'iso'; readonly separator: string; readonly decimals: number; readonly zone: string };

export interface Moment {
  /** Epoch seconds. */
  readonly at: number;
  readonly style: MomentStyle;
}

const ISO = /^(\d{4}-\d{2}-\d{2})([T ])(\d{2}:\d{2}(?::\d{2})?)(?:[.,](\d{1,9}))?(Z| ?UTC|[+-]\d{2}(?::?\d{2})?)?$/i;
const EPOCH = /^\d{1,19}(?:\.(\d+))?$/;
/** RFC 9110 section 5.6.7, as RFC 1123 has it. */
const HTTP_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} (?:GMT|UTC|[+-]0000)$/;
const BASIC = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/;

/** Reads epoch seconds (number or text) or ISO 8601 with `Z`, `UTC`, an offset, or none (then UTC); else null. */
export function readMoment(value: unknown): Moment | null {
  if (typeof value === 'number') {
    if (!Number.isFinite(value) || value < 0) return null;
    if (value > LATEST) return inUnits(value, false);
    return { at: value, style: { kind: 'epoch', decimals: Number.isInteger(value) ? 0 : 6, text: false } };
  }
  if (typeof value !== 'string') return null;
  const text = value.trim();
  const epoch = EPOCH.exec(text);
  if (epoch) {
    const at = Number(text);
    if (at > LATEST) return inUnits(at, true);
    return { at, style: { kind: 'epoch', decimals: epoch[1]?.length ?? 0, text: true } };
  }
  if (HTTP_DATE.test(text)) {
    const at = Date.parse(text) / 1000;
    return Number.isNaN(at) ? null : { at, style: { kind: 'http' } };
  }
  const basic = BASIC.exec(text);
  if (basic) return readMoment(text.replace(BASIC, '$1-$2-$3T$4:$5:$6Z'));
  const iso = ISO.exec(text);
  if (!iso) return null;
  const [, date, separator = 'T', time, fraction = '', zone = ''] = iso;
  const millis = Date.parse(`${date}T${time}${/^[+-]/.test(zone) ? withColon(zone) : 'Z'}`);
  // V8 takes February 31st for March 3rd; a day that there is reads back as itself.
  const day = Date.parse(`${date}T00:00:00Z`);
  if (Number.isNaN(millis) || new Date(day).toISOString().slice(0, 10) !== date) return null;
  return {
    at: millis / 1000 + (fraction === '' ? 0 : Number(`0.${fraction}`)),
    style: { kind: 'iso', separator, decimals: fraction.length, zone },
  };
}

/** Milliseconds, microseconds or nanoseconds: whichever makes a year that people live in. */
function inUnits(value: number, text: boolean): Moment | null {
  const unit = [1e3, 1e6, 1e9].find((one) => value / one < LATEST / 50);
  return unit === undefined ? null : { at: value / unit, style: { kind: 'epoch', decimals: 0, text, unit } };
}

/** Writes epoch seconds in a style that was read before. */
export function writeMoment(at: number, style: MomentStyle): string | number {
  const seconds = Math.min(Math.max(at, 0), LATEST);
  if (style.kind === 'http') return new Date(seconds * 1000).toUTCString();
  if (style.kind === 'epoch' && style.unit !== undefined) {
    const units = Math.floor(seconds * style.unit);
    return style.text ? String(units) : units;
  }
  if (style.kind === 'epoch') {
    if (style.text) return seconds.toFixed(style.decimals);
    if (style.decimals === 0) return Math.floor(seconds);
    // A float stays one: JSON has no way to write "3600.0", so a whole second is moved by a microsecond.
    const rounded = Math.round(seconds * 1e6) / 1e6;
    return Number.isInteger(rounded) ? rounded + 1e-6 : rounded;
  }
  const offset = offsetSeconds(style.zone);
  const whole = Math.floor(seconds);
  const [date = '', time = ''] = new Date((whole + offset) * 1000).toISOString().split('T');
  const fraction = style.decimals === 0 ? '' : `.${fractionDigits(seconds - whole, style.decimals)}`;
  return `${date}${style.separator}${time.slice(0, 8)}${fraction}${style.zone}`;
}

/** `2025-11-21 09:00:00 UTC`, as the human-readable twins in token files are written. */
export function humanMoment(at: number): string {
  return String(writeMoment(at, { kind: 'iso', separator: ' ', decimals: 0, zone: ' UTC' }));
}

function fractionDigits(fraction: number, decimals: number): string {
  return Math.floor(fraction * 10 ** decimals)
    .toString()
    .padStart(decimals, '0');
}

function withColon(zone: string): string {
  return zone.includes(':') ? zone : `${zone.slice(0, 3)}:${zone.slice(3) || '00'}`;
}

function offsetSeconds(zone: string): number {
  if (!/^[+-]/.test(zone)) return 0;
  const [hours = 0, minutes = 0] = withColon(zone).slice(1).split(':').map(Number);
  return (zone.startsWith('-') ? -1 : 1) * (hours * 3600 + minutes * 60);
}
