import { ownValue } from './lookup.js';
import { isRecord } from './problem.js';

/**
 * The `Mcp-Param-*` headers of protocol revision 2026-07-28 (Streamable HTTP, "Custom headers from tool
 * parameters"): arguments that a tool's schema marks with `x-mcp-header` are repeated as headers of the call.
 */

const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const BASE64 = { prefix: '=?base64?', suffix: '?=' } as const;

/** An argument, by the names of the properties that lead to it, and the header that repeats it. */
export interface MarkedArgument {
  readonly path: readonly string[];
  readonly header: string;
}

/** The arguments that an input schema marks. Only properties of properties can be marked. */
export function markedArguments(schema: unknown, path: readonly string[] = []): MarkedArgument[] {
  if (!isRecord(schema) || !isRecord(schema.properties)) return [];
  return Object.entries(schema.properties).flatMap(([name, property]) => {
    const here = [...path, name];
    const mark = isRecord(property) ? property['x-mcp-header'] : undefined;
    const marked =
      typeof mark === 'string' && HEADER_NAME.test(mark) ? [{ path: here, header: `Mcp-Param-${mark}` }] : [];
    return [...marked, ...markedArguments(property, here)];
  });
}

/** The headers for a call with these arguments; an argument that is absent or not a plain value has none. */
export function paramHeaders(marked: readonly MarkedArgument[], args: unknown): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const { path, header } of marked) {
    const text = textOf(path.reduce((at: unknown, name) => (isRecord(at) ? ownValue(at, name) : undefined), args));
    if (text !== null) headers[header] = encoded(text);
  }
  return headers;
}

function textOf(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  if (typeof value !== 'number' || !Number.isFinite(value)) return null;
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? null : String(value);
}

/** As it is where a header can hold it (RFC 9110 section 5.5), else base64 of its UTF-8. */
function encoded(text: string): string {
  const plain = /^[\t\x20-\x7e]+$/.test(text) && text === text.trim();
  if (plain && !(text.startsWith(BASE64.prefix) && text.endsWith(BASE64.suffix))) return text;
  const bytes = new TextEncoder().encode(text);
  return `${BASE64.prefix}${btoa(Array.from(bytes, (byte) => String.fromCodePoint(byte)).join(''))}${BASE64.suffix}`;
}
