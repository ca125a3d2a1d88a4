import { styleText } from 'node:util';
import type { Status, TokenStatus } from '../daemon/status.js';
import { relative } from '../ground/duration.js';
import type { State } from '../ground/plan.js';
import { problemLine } from '../ground/problem.js';
import type { Terminal } from './command.js';

export const COLORS: Readonly<Record<State, 'green' | 'yellow' | 'red'>> = {
  valid: 'green',
  unknown: 'green',
  due: 'yellow',
  failing: 'yellow',
  needs_login: 'red',
  needs_configuration: 'red',
  expired: 'red',
};

/** The whole of it, for people. */
export function statusLines(
  { instance, tokens, servers, copies = [], problems }: Status,
  now: number,
  terminal: Terminal,
): string[] {
  const lines: string[] = [];
  lines.push(instanceLine(instance, now));
  if (tokens.length > 0) lines.push('', ...tokenTable(tokens, now, terminal));
  const notes = tokens.flatMap((token) => noteOf(token, now));
  if (notes.length > 0) lines.push('', ...notes);
  const included = servers.filter((server) => server.included).map(({ key }) => key);
  lines.push(
    '',
    `${included.length} server${included.length === 1 ? '' : 's'} in the configs: ${included.join(', ') || 'none'}`,
  );
  for (const { key, included: isIn, reason } of servers) if (!isIn) lines.push(`  without ${key}: ${reason}`);
  for (const { file, of } of copies) lines.push(`  ${file} is a copy of ${of}; it is left alone`);
  if (problems.length > 0) {
    lines.push('', 'problems:', ...problems.map((one) => `  ${problemLine({ ...one, severity: 'error' })}`));
  }
  return lines.flatMap((line) => wrap(line, terminal.columns));
}

function instanceLine({ running, pid, since, reason }: Status['instance'], now: number): string {
  if (running === null) return `it is unknown whether an instance is running: ${reason}`;
  if (!running) return 'not running; start it with: token-refresher';
  return `running, PID ${pid}${since === null ? '' : `, started ${relative(since - now)}`}`;
}

function tokenTable(tokens: readonly TokenStatus[], now: number, { columns, color }: Terminal): string[] {
  const when = (at: number | null): string => (at === null ? '-' : relative(at - now));
  const rows = tokens.map((token) => ({
    token,
    cells: [token.name, token.state.replaceAll('_', ' '), when(token.expires_at), when(token.next_refresh_at)],
  }));
  const heads = ['TOKEN', 'STATE', 'EXPIRES', 'NEXT REFRESH'];
  const widths = heads.map((head, at) => Math.max(head.length, ...rows.map(({ cells }) => cells[at]?.length ?? 0)));
  const [, ...others] = widths;
  const room = Math.max(12, Math.min(widths[0] ?? 0, columns - others.reduce((sum, width) => sum + width + 2, 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, at) => (at === 0 ? shorten(cell, room) : cell.padEnd(widths[at] ?? 0)))
      .join('  ')
      .trimEnd();
  return [
    line(heads),
    ...rows.map(({ token, cells }) => (color ? styleText(COLORS[token.state], line(cells)) : line(cells))),
  ];
}

/** Why it is refreshed then (or not at all), what came of the last attempt, and what to do. */
function noteOf(
  { name, reason, next_refresh_at: next, last_attempt: last, action }: TokenStatus,
  now: number,
): string[] {
  const notes = [next === null ? `  ${reason}` : `  next refresh: ${reason}`];
  if (last)
    notes.push(`  last attempt: ${relative(last.at - now)}, ${last.outcome}${last.code ? ` (${last.code})` : ''}`);
  if (action !== undefined) notes.push(`  to do: ${action}`);
  return [`${name}:`, ...notes];
}

/** In so many columns. */
export function shorten(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width);
}

/** Breaks at spaces; what follows the first line is indented a bit more than it is. */
function wrap(line: string, columns: number): string[] {
  const indent = `${/^ */.exec(line)?.[0] ?? ''}  `;
  const lines: string[] = [];
  let rest = line;
  while (rest.length > columns && !rest.includes('\u001b')) {
    const blank = rest.lastIndexOf(' ', columns);
    const cut = blank > indent.length ? blank : columns;
    lines.push(rest.slice(0, cut));
    rest = indent + rest.slice(cut).trimStart();
  }
  return [...lines, rest];
}
